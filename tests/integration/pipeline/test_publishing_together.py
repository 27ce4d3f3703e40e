"""Messages that are published together."""

import json
from collections.abc import Iterator, Mapping
from secrets import token_hex

import pytest
from redis import Redis

from tasks.jobs.dispatch import publish_chain
from tasks.jobs.message import together


@pytest.fixture
def queue() -> str:
    return f"nobody-{token_hex(8)}"


@pytest.fixture
def redis(backends: Mapping[str, str], queue: str) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"]) as client:
        yield client
        client.delete(queue)


def publish(queue: str, *jobs: str) -> None:
    for job in jobs:
        publish_chain(job, 1, "intent", long=False, queue=queue)


def jobs_of(redis: Redis, queue: str) -> list[str]:
    """The jobs of the messages that wait, the newest first."""
    waiting = [json.loads(raw) for raw in redis.lrange(queue, 0, -1)]
    return [message["headers"]["id"].partition(".")[0] for message in waiting]


def test_they_are_sent_at_the_end_in_their_order(redis: Redis, queue: str) -> None:
    with together():
        publish(queue, "job_1", "job_2", "job_3")
        assert not redis.exists(queue)
    assert jobs_of(redis, queue) == ["job_3", "job_2", "job_1"]


def test_each_is_what_is_published_alone(redis: Redis, queue: str) -> None:
    publish(queue, "job_1")
    with together():
        publish(queue, "job_1")
    sent = [json.loads(raw) for raw in redis.lrange(queue, 0, -1)]
    tags = {message["properties"].pop("delivery_tag") for message in sent}
    assert sent[0] == sent[1]
    assert len(tags) == 2


def test_none_is_sent_after_an_error(redis: Redis, queue: str) -> None:
    def fail() -> None:
        with together():
            publish(queue, "job_1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    publish(queue, "job_2")
    assert jobs_of(redis, queue) == ["job_2"]
