"""The queues of the broker, and the lanes of each, which say which of its messages go first.

On Redis, a lane is a priority: a worker takes the messages of the lowest one first. RabbitMQ has no
such order that all of its queues keep, so there each lane is a queue of its own, and a worker
takes some messages of each.
"""

from typing import Final

from kombu.entity import Exchange, Queue

QUEUES: Final = ("llm", "cpu")
# What a queue's lanes are called on RabbitMQ, by the number that they have elsewhere.
LANES: Final = {0: "first", 3: "crowded", 6: "bulk"}
# Replicated and durable; other names than those of the release before, whose queues were classic:
# a queue can't be declared again as one of another kind.
QUORUM: Final = {"x-queue-type": "quorum"}


def has_lane_queues(broker: str) -> bool:
    """Whether each lane is a queue of its own at the broker with this URL."""
    return broker.startswith("amqp")


def declared_queues(broker: str) -> tuple[Queue, ...]:
    """All queues, so that Flower shows each even if no worker answers it."""
    if not has_lane_queues(broker):
        return tuple(_queue(name) for name in QUEUES)
    return tuple(_queue(each, QUORUM) for name in QUEUES for each in broker_queues(name, broker))


def broker_queues(name: str, broker: str) -> tuple[str, ...]:
    """What a queue consists of at the broker with this URL."""
    if not has_lane_queues(broker):
        return (name,)
    return tuple(f"{name}.{lane}" for lane in LANES.values())


def broker_queue(name: str, lane: int, broker: str) -> str:
    """Where a message of this lane of a queue goes."""
    return f"{name}.{LANES[lane]}" if has_lane_queues(broker) else name


def queue_of(broker_queue: str) -> str:
    """The queue that a queue at the broker is, or is a lane of."""
    name, _, lane = broker_queue.rpartition(".")
    return name if lane in LANES.values() else broker_queue


def _queue(name: str, arguments: dict[str, str] | None = None) -> Queue:
    exchange = Exchange(name)  # type: ignore[no-untyped-call]  # kombu ships few types
    return Queue(name, exchange, routing_key=name, queue_arguments=arguments)  # type: ignore[no-untyped-call]  # the same
