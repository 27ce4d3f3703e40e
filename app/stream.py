"""Follow jobs: what has happened, then what happens, to the end; without a gap or a repeat."""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from app.doorbell import Listener, get_doorbell
from app.events import Event
from app.follower import Follower
from app.stopping import is_stopping
from tasks.events import Message

HEARTBEAT_S: Final = 15.0
# How often a stream looks whether its process ends, or a row has what was lacking.
TICK_S: Final = 0.5

Told = tuple[str, Event]


def follow(user_id: str, job_id: str, after: int) -> Iterator[Event | None]:
    """A job's events after a number, to its end; None where there was none for 15 s."""
    for told in follow_all(user_id, {job_id: after}):
        yield told[1] if told is not None else None


def follow_all(user_id: str, after: Mapping[str, int]) -> Iterator[Told | None]:
    """The events of several jobs, each after a number of its own, until all have ended.

    It ends early where this process ends, and a job that is not there any more ends too: the client
    asks again, from where it is.
    """
    followers = {job_id: Follower(user_id, job_id, number) for job_id, number in after.items()}
    yield from _catch_up(followers)
    followers = {job_id: follower for job_id, follower in followers.items() if not follower.done}
    if not followers:
        return
    with get_doorbell().listen(list(followers)) as bell:
        yield from _catch_up(followers)  # with what happened before it was listened to
        yield from _go_on(followers, bell)


def _go_on(followers: Mapping[str, Follower], bell: Listener) -> Iterator[Told | None]:
    quiet_since = time.monotonic()
    while not is_stopping() and not all(follower.done for follower in followers.values()):
        for told in _next(followers, bell.get(TICK_S)):
            quiet_since = time.monotonic()
            yield told
        if time.monotonic() - quiet_since >= HEARTBEAT_S:
            quiet_since = time.monotonic()
            yield None


def _catch_up(followers: Mapping[str, Follower]) -> Iterator[Told]:
    for job_id, follower in followers.items():
        yield from ((job_id, event) for event in follower.catch_up())


def _next(
    followers: Mapping[str, Follower], heard: tuple[str, Message | None] | None
) -> Iterator[Told]:
    if heard is not None:
        job_id, message = heard
        yield from ((job_id, event) for event in followers[job_id].take(message))
        return
    for job_id, follower in followers.items():
        yield from ((job_id, event) for event in follower.look_again())
