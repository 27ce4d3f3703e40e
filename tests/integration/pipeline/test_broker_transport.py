"""The messages that a process has taken from Redis and not acknowledged."""

from collections.abc import Iterator, Mapping
from secrets import token_hex

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer
from redis import Redis

from tasks.celery import app


@pytest.fixture
def queue() -> Queue:
    return Queue(f"test-{token_hex(8)}")


@pytest.fixture
def redis(backends: Mapping[str, str], queue: Queue) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"]) as client:
        yield client
        client.delete(queue.name)


def connection() -> Connection:
    made: Connection = app.connection_for_read()
    return made


def publish(queue: Queue, *bodies: str) -> None:
    with connection() as publishing, publishing.Producer() as producer:
        for body in bodies:
            producer.publish(body, routing_key=queue.name, serializer="json")


def take(taking: Connection, queue: Queue, count: int) -> list[Message]:
    """Take as many messages, and no more."""
    taken: list[Message] = []
    consumer = Consumer(taking, [queue], on_message=taken.append, prefetch_count=count)
    with consumer:
        while len(taken) < count:
            taking.drain_events(timeout=10)
    return taken


def test_what_is_not_acknowledged_is_put_back_in_its_order(redis: Redis, queue: Queue) -> None:
    publish(queue, "first", "second", "third", "fourth")
    with connection() as ending:
        first, *_ = take(ending, queue, 3)
        first.ack()

    with connection() as later:
        rest = take(later, queue, 3)
        assert [message.payload for message in rest] == ["second", "third", "fourth"]
        for message in rest:
            message.ack()
    assert redis.llen(queue.name) == 0


def test_a_rejected_message_is_requeued_or_dropped(redis: Redis, queue: Queue) -> None:
    publish(queue, "again", "never again")
    with connection() as taking:
        again, never = take(taking, queue, 2)
        again.requeue()
        never.reject()
        [message] = take(taking, queue, 1)
        assert message.payload == "again"
        message.ack()
    assert redis.llen(queue.name) == 0


def test_redis_keeps_no_second_copy_of_a_message(redis: Redis, queue: Queue) -> None:
    publish(queue, "once")
    with connection() as taking:
        [message] = take(taking, queue, 1)
        assert not redis.exists("unacked", "unacked_index", queue.name)
        message.ack()
