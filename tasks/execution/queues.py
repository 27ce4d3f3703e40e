"""Which queues this process consumes from, each by all of its lanes."""

from config.queues import QUEUES, broker_queues, queue_of
from config.settings import get_settings
from tasks.celery import app


def serves(queue: str) -> bool:
    """Whether this process consumes from a queue."""
    return any(queue_of(name) == queue for name in app.amqp.queues.consume_from)


def consume_lanes() -> None:
    """Consume from all lanes of the queues that `--queues` names."""
    broker, queues = get_settings().broker, app.amqp.queues
    for queue in QUEUES:
        lanes = broker_queues(queue, broker)
        if queue in queues.consume_from and queue not in lanes:
            queues.deselect(queue)
            for lane in lanes:
                queues.select_add(queues[lane])
