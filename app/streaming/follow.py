"""Follow jobs to their end: past events, then live ones, without a gap or a duplicate."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from app.streaming.events import Event
from app.streaming.follower import Follower
from app.streaming.hub import get_hub
from app.streaming.subscription import Subscription
from config.settings import get_settings
from models.jobs import UNFINISHED, Job
from tasks.events.envelope import Envelope

Followers = Mapping[str, Follower]
JobEvent = tuple[str, Event]


async def follow(job: Job, after: int) -> AsyncGenerator[Event | None, None]:
    """A job's events after a number, to its end; None after each `HEARTBEAT_S` without one."""
    async with aclosing(follow_batches(job, after)) as batches:
        async for batch in batches:
            for event in batch:
                yield event
            if not batch:
                yield None


async def follow_batches(job: Job, after: int) -> AsyncGenerator[list[Event], None]:
    """A job's events as in `follow`, those that come together in one list; an empty one instead of
    None."""
    live = job.status in UNFINISHED
    async with aclosing(follow_all(job.user_id, {job.id: after}, live=live)) as batches:
        async for batch in batches:
            yield [event for _, event in batch]


async def follow_all(
    user_id: str, after: Mapping[str, int], *, live: bool
) -> AsyncGenerator[list[JobEvent], None]:
    """The events of several jobs, each after its own number, until all have ended. Those that come
    together are one list; it is empty after each `HEARTBEAT_S` without any.

    It stops early if this process shuts down or the jobs were deleted; the client resumes from the
    last event.

    Args:
        live: whether the jobs have not ended a moment ago, so that there will be more to come.
    """
    followers = {job_id: Follower(user_id, job_id, number) for job_id, number in after.items()}
    if not live:
        if past := await asyncio.to_thread(_catch_up, followers):
            yield past
        followers = {job_id: one for job_id, one in followers.items() if not one.done}
        if not followers:
            return
    async with get_hub().subscribe(list(followers)) as subscription:
        if past := await asyncio.to_thread(_catch_up, followers):
            yield past  # published before the subscription began
        async with aclosing(_follow_live(followers, subscription)) as batches:
            async for batch in batches:
                yield batch


async def _follow_live(
    followers: Followers, subscription: Subscription
) -> AsyncGenerator[list[JobEvent], None]:
    heartbeat_s = get_settings().heartbeat_s
    due = time.monotonic() + heartbeat_s
    while not subscription.ended and not all(follower.done for follower in followers.values()):
        reread_at = [one.reread_at for one in followers.values() if one.reread_at is not None]
        received = await subscription.get(min([due, *reread_at]) - time.monotonic())
        batch = await _next(followers, received)
        for more in subscription.take_queued():
            batch += await _next(followers, more)
        if batch or time.monotonic() >= due:
            due = time.monotonic() + heartbeat_s
            yield batch


async def _next(
    followers: Followers, received: tuple[str, Envelope | None] | None
) -> list[JobEvent]:
    if received is None:
        if any(follower.reread_at is not None for follower in followers.values()):
            return await asyncio.to_thread(_reread, followers)
        return []
    job_id, envelope = received
    follower = followers[job_id]
    if follower.has_to_read(envelope):
        return await asyncio.to_thread(_take, follower, job_id, envelope)
    return _take(follower, job_id, envelope)


def _catch_up(followers: Followers) -> list[JobEvent]:
    return [(job_id, event) for job_id, one in followers.items() for event in one.catch_up()]


def _reread(followers: Followers) -> list[JobEvent]:
    return [(job_id, event) for job_id, one in followers.items() for event in one.reread()]


def _take(follower: Follower, job_id: str, envelope: Envelope | None) -> list[JobEvent]:
    return [(job_id, event) for event in follower.take(envelope)]
