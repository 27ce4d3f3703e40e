"""The one Redis connection of a web process, over which it hears of all jobs that are followed."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex
from typing import Any

import pytest
from redis import Redis

from app.streaming.hub import SubscriptionHub
from tasks.events.envelope import END, Envelope, channel_of

BEGUN = Envelope.step("stage", 3, {"name": "generate", "status": "running"})


@pytest.fixture
def redis(backends: Mapping[str, str]) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"], decode_responses=True) as client:
        yield client


def job() -> str:
    return f"job_{token_hex(13)}"


def test_a_new_subscription_does_not_wait_for_what_the_hub_is_reading(redis: Redis) -> None:
    async def followers() -> list[int]:
        hub, jobs, reached = SubscriptionHub(poll_redis_s=60), [job() for _ in range(3)], []
        async with hub.subscribe(jobs[:1]), hub.subscribe(jobs[1:2]), hub.subscribe(jobs[2:]):
            for job_id in jobs:
                reached.append(redis.publish(channel_of(job_id), BEGUN.encode()))
        return reached

    assert asyncio.run(followers()) == [1, 1, 1]


def test_who_waits_for_an_end_hears_of_nothing_else(redis: Redis) -> None:
    async def heard() -> list[Any]:
        hub, job_id = SubscriptionHub(), job()
        async with (
            hub.subscribe([job_id], only_ends=True) as waits,
            hub.subscribe([job_id]) as all_,
        ):
            for envelope in (BEGUN, END):
                redis.publish(channel_of(job_id), envelope.encode())
            return [await one.get(10) for one in (waits, all_, all_)]

    (_, only), (_, first), (_, second) = asyncio.run(heard())
    assert (only, first, second) == (END, BEGUN, END)


def test_a_channel_that_is_opened_for_nobody_is_closed_again(
    redis: Redis, until: Callable[..., None]
) -> None:
    hub, job_id = SubscriptionHub(expected_within_s=2), job()
    hub.open_soon([job_id])

    for followers in (1, 0):
        until(lambda expected=followers: followers_of(redis, job_id) == expected)


def test_an_opened_channel_is_kept_for_its_subscription(
    redis: Redis, until: Callable[..., None]
) -> None:
    async def heard(hub: SubscriptionHub, job_id: str) -> Any:
        async with hub.subscribe([job_id]) as subscription:
            redis.publish(channel_of(job_id), END.encode())
            return await subscription.get(10)

    hub, job_id = SubscriptionHub(poll_redis_s=60, expected_within_s=60), job()
    hub.open_soon([job()])
    hub.open_soon([job_id])
    until(lambda: followers_of(redis, job_id) == 1)

    assert asyncio.run(heard(hub, job_id)) == (job_id, END)


def followers_of(redis: Redis, job_id: str) -> int:
    """The number of processes that follow a job."""
    [(_, followers)] = redis.pubsub_numsub(channel_of(job_id))
    return int(followers)
