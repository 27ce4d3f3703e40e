"""Follow jobs: what has happened, then what happens, to the end; without a gap or a repeat."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing

from app.streaming.events import Event
from app.streaming.follower import Follower
from app.streaming.hub import get_hub
from app.streaming.subscription import Subscription
from config.settings import get_settings
from tasks.events.envelope import Envelope

Followers = Mapping[str, Follower]
Told = tuple[str, Event]


async def follow(user_id: str, job_id: str, after: int) -> AsyncGenerator[Event | None, None]:
    """A job's events after a number, to its end; None where there was none for `HEARTBEAT_S`."""
    async with aclosing(follow_all(user_id, {job_id: after})) as all_told:
        async for told in all_told:
            yield told[1] if told is not None else None


async def follow_all(user_id: str, after: Mapping[str, int]) -> AsyncGenerator[Told | None, None]:
    """The events of several jobs, each after a number of its own, until all have ended.

    It ends early where this process ends, and a job that is not there any more ends too: the client
    asks again, from where it is.
    """
    followers = {job_id: Follower(user_id, job_id, number) for job_id, number in after.items()}
    for told in await asyncio.to_thread(_catch_up, followers):
        yield told
    followers = {job_id: follower for job_id, follower in followers.items() if not follower.done}
    if not followers:
        return
    async with get_hub().subscribe(list(followers)) as subscription:
        for told in await asyncio.to_thread(_catch_up, followers):
            yield told  # what happened before it was subscribed to
        async with aclosing(_go_on(followers, subscription)) as rest:
            async for more in rest:
                yield more


async def _go_on(
    followers: Followers, subscription: Subscription
) -> AsyncGenerator[Told | None, None]:
    heartbeat_s = get_settings().heartbeat_s
    due = time.monotonic() + heartbeat_s
    while not subscription.ended and not all(follower.done for follower in followers.values()):
        looks_again = [one.looks_again for one in followers.values() if one.looks_again is not None]
        heard = await subscription.get(min([due, *looks_again]) - time.monotonic())
        for told in await _next(followers, heard):
            due = time.monotonic() + heartbeat_s
            yield told
        if time.monotonic() >= due:
            due = time.monotonic() + heartbeat_s
            yield None


async def _next(followers: Followers, heard: tuple[str, Envelope | None] | None) -> Iterable[Told]:
    if heard is None:
        if any(follower.looks_again is not None for follower in followers.values()):
            return await asyncio.to_thread(_look_again, followers)
        return ()
    job_id, envelope = heard
    follower = followers[job_id]
    if follower.has_to_read(envelope):
        return await asyncio.to_thread(_take, follower, job_id, envelope)
    return _take(follower, job_id, envelope)


def _catch_up(followers: Followers) -> list[Told]:
    return [(job_id, event) for job_id, one in followers.items() for event in one.catch_up()]


def _look_again(followers: Followers) -> list[Told]:
    return [(job_id, event) for job_id, one in followers.items() for event in one.look_again()]


def _take(follower: Follower, job_id: str, envelope: Envelope | None) -> list[Told]:
    return [(job_id, event) for event in follower.take(envelope)]
