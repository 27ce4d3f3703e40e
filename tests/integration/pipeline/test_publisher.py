"""What is published about a job, and to whom."""

from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex

import pytest
from redis import Redis
from redis.client import PubSub

from tasks.events.envelope import END, Envelope, channel_of, read_tail, tail_of
from tasks.events.publisher import TextFeed, publish_end, publish_event
from tasks.execution.precedence import precedence

WITHIN_S = 10
BEGUN = Envelope.step("stage", 3, {"name": "generate", "status": "running"})


@pytest.fixture
def redis(backends: Mapping[str, str]) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"], decode_responses=True) as client:
        yield client


@pytest.fixture
def job_id() -> str:
    return f"job_{token_hex(13)}"


@pytest.fixture
def follow(redis: Redis, job_id: str) -> Iterator[Callable[[str], PubSub]]:
    """`follow(job_id)`: an open subscription to a job's channel."""
    with redis.pubsub() as channel:

        def do(job_id: str) -> PubSub:
            channel.subscribe(channel_of(job_id))
            assert channel.get_message(timeout=WITHIN_S)["type"] == "subscribe"
            return channel

        yield do


def published(channel: PubSub) -> Envelope:
    return Envelope.decode(channel.get_message(timeout=WITHIN_S)["data"])


def test_a_follower_gets_every_event_in_order(follow, job_id: str) -> None:
    channel, feed = follow(job_id), TextFeed(job_id)
    publish_event(job_id, BEGUN)
    feed("Grü", 4, 7)
    feed("ße", 7, 9)
    assert published(channel) == BEGUN

    text, at = "", 4
    while at < 9:
        piece = published(channel)
        assert (piece.kind, piece.before) == ("text", at)
        text, at = text + piece.data["text"], piece.number
    feed(None, 9, 10)
    feed("Neu", 10, 13)
    publish_end(job_id)

    assert text == "Grüße"
    assert published(channel) == Envelope("restarted", 9, 10, {})
    assert published(channel) == Envelope("text", 10, 13, {"text": "Neu"})
    assert published(channel) == END


def test_a_job_that_goes_first_holds_others_up_until_its_end_is_sent(
    follow, job_id: str, until: Callable[..., None]
) -> None:
    channel = follow(job_id)
    with precedence.first():
        publish_end(job_id)
    assert published(channel) == END
    until(lambda: not precedence.give_way())


def test_who_follows_later_finds_the_text_in_the_tail(
    follow, redis: Redis, job_id: str, until: Callable[..., None]
) -> None:
    feed = TextFeed(job_id)
    feed("nobody follows ", 4, 19)
    until(lambda: redis.exists(tail_of(job_id)))

    channel = follow(job_id)
    feed("yet", 19, 22)

    assert published(channel) == Envelope("text", 19, 22, {"text": "yet"})
    pieces = [piece.data["text"] for piece in read_tail(redis, job_id, 4)]
    assert pieces == ["nobody follows ", "yet"]
    assert redis.ttl(tail_of(job_id)) > 0


def test_the_tail_ends_with_the_job_whether_it_is_followed_to_the_end_or_not(
    follow, redis: Redis, job_id: str, until: Callable[..., None]
) -> None:
    channel, feed = follow(job_id), TextFeed(job_id)
    feed("followed", 4, 12)
    published(channel)
    assert redis.exists(tail_of(job_id))
    channel.unsubscribe()
    until(lambda: redis.pubsub_numsub(channel_of(job_id))[0][1] == 0)

    publish_end(job_id)

    until(lambda: not redis.exists(tail_of(job_id)))
