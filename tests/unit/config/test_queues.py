"""The broker's queues, and where a message of each lane goes."""

from typing import Any

import pytest

from config.queues import LANES, broker_queue, broker_queues, declared_queues, queue_of
from models import jobs

REDIS, RABBITMQ = "redis://h:6379/0", "amqp://h//"


def kind(queue: Any) -> str | None:
    return (queue.queue_arguments or {}).get("x-queue-type")


def test_the_lanes_are_those_of_jobs() -> None:
    assert tuple(LANES) == jobs.LANES


@pytest.mark.parametrize("lane", jobs.LANES)
def test_redis_has_a_queue_for_all_lanes(lane: int) -> None:
    assert [queue.name for queue in declared_queues(REDIS)] == ["llm", "cpu"]
    assert broker_queue("cpu", lane, REDIS) == "cpu"
    assert {kind(queue) for queue in declared_queues(REDIS)} == {None}


def test_rabbitmq_has_a_quorum_queue_for_each_lane() -> None:
    names = [queue.name for queue in declared_queues(RABBITMQ)]
    assert names == [*broker_queues("llm", RABBITMQ), *broker_queues("cpu", RABBITMQ)]
    assert [broker_queue("llm", lane, RABBITMQ) for lane in jobs.LANES] == names[:3]
    assert {kind(queue) for queue in declared_queues(RABBITMQ)} == {"quorum"}


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ])
def test_each_queue_of_the_broker_is_one_of_ours(broker: str) -> None:
    for name in ("llm", "cpu"):
        assert {queue_of(each) for each in broker_queues(name, broker)} == {name}
    assert queue_of("celery@host.celery.pidbox") == "celery@host.celery.pidbox"
