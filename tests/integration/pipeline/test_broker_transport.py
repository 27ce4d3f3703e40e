"""The messages that a process has taken from Redis and not acknowledged."""

from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer
from redis import Redis

from config.unreadable_messages import UNREADABLE_KEY
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


def test_waiting_messages_are_taken_several_at_once_in_their_order(
    redis: Redis, queue: Queue, until: Callable[..., None]
) -> None:
    bodies = [str(number) for number in range(12)]

    def several_at_once() -> bool:
        publish(queue, *bodies)
        taken: list[Message] = []
        at_once = []
        with connection() as taking, Consumer(taking, [queue], on_message=taken.append):
            while len(taken) < len(bodies):
                before = len(taken)
                taking.drain_events(timeout=10)
                at_once.append(len(taken) - before)
            for message in taken:
                message.ack()
        assert [message.payload for message in taken] == bodies
        return max(at_once) > 1

    until(several_at_once)  # a busy machine may answer late, as if the messages had just come


def test_no_more_messages_are_taken_than_were_asked_for(redis: Redis, queue: Queue) -> None:
    publish(queue, *"abcdef")
    with connection() as taking:
        taken = take(taking, queue, 2)
        assert [message.payload for message in taken] == ["a", "b"]
        assert redis.llen(queue.name) == 4
        for message in taken:
            message.ack()


def test_an_unreadable_entry_keeps_no_message_from_being_taken(redis: Redis, queue: Queue) -> None:
    publish(queue, "first")
    redis.lpush(queue.name, *["not JSON"] * 3)
    publish(queue, "second")
    before = redis.llen(UNREADABLE_KEY)
    with connection() as taking:
        taken = take(taking, queue, 2)
        assert [message.payload for message in taken] == ["first", "second"]
        for message in taken:
            message.ack()
    assert redis.llen(UNREADABLE_KEY) == before + 3
    redis.delete(UNREADABLE_KEY)
