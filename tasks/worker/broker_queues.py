"""How many messages wait in the broker's queues."""

from functools import lru_cache

from kombu.transport.redis import Channel

from config.redis import broker_client
from config.settings import get_settings
from models.jobs import LANES
from tasks.celery import app


def waiting_messages() -> int | None:
    """The messages in all queues; None if the broker is not Redis. Raises redis.RedisError."""
    if not get_settings().broker.startswith("redis"):
        return None
    asked = broker_client().pipeline(transaction=False)
    for name in _lists():
        asked.llen(name)
    lengths: list[int] = asked.execute()
    return sum(lengths)


@lru_cache(maxsize=1)
def _lists() -> tuple[str, ...]:
    """The lists of Redis that are the queues: one for each lane."""
    names = [str(queue.name) for queue in app.conf.task_queues]
    return tuple(f"{name}{Channel.sep}{lane}" if lane else name for name in names for lane in LANES)
