"""Slots for connections that stay open, for a stream or a wait: WEB_STREAMS, and no user has more
than half of them, or, at all web processes together, than his own limit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, Literal

from flask import g

from app.http.deferred import until_sent
from app.http.errors import TooManyStreams, TooManyStreamsOfYours
from app.http.limit_fields import CONCURRENT, Standing, show
from app.http.problems import Problem, Refusal
from app.http.slots import Slots
from app.limits.known import most_streams
from app.limits.streams import shared_streams
from config.once import once
from config.settings import get_settings
from tasks.metrics.gauges import OPEN, OPEN_MAX

RETRY_AFTER_S: Final = 5
RETRY_AFTER: Final = {"Retry-After": str(RETRY_AFTER_S)}
ALL_TAKEN: Final = Problem(
    TooManyStreams,
    "Too many open streams. Try again, or poll the job.",
    headers=RETRY_AFTER,
)
SHARE_TAKEN: Final = Problem(
    TooManyStreamsOfYours,
    "You have too many open streams. Close one, or poll the job.",
    headers=RETRY_AFTER,
)


@once
def get_connection_slots() -> Slots:
    """The slots of this process."""
    return Slots(get_settings().web_streams, all_taken=ALL_TAKEN, share_taken=SHARE_TAKEN)


def follow_slots() -> None:
    """Count this process's open streams and waits for `/metrics`."""
    for kind in ("stream", "wait"):
        OPEN.follow(partial(_taken, kind), kind)
    OPEN_MAX.follow(lambda: get_settings().web_streams)


def _taken(kind: str) -> int:
    return get_connection_slots().taken(kind)


def take_slot(kind: Literal["stream", "wait"]) -> None:
    """Take a slot until this request's answer has been sent. Raises Refusal, with `Retry-After`, if
    there is none: 503, or 429 if this user has as many as one user may have."""
    slots, most = get_connection_slots(), most_streams(g.user_id)
    try:
        until_sent(_counted(slots, g.user_id, most, kind))
    except Refusal as refusal:
        if refusal.problem is not SHARE_TAKEN:
            raise
        raise Refusal(_share_taken(slots.share(most), most)) from None


@contextmanager
def _counted(slots: Slots, user_id: str, most: int, kind: str) -> Iterator[None]:
    """A slot of this process and, if the user has a limit, one of those of all processes."""
    with slots.slot(user_id, most, kind):
        if not most:
            yield
            return
        if not shared_streams().open(user_id, most):
            raise Refusal(SHARE_TAKEN)
        try:
            yield
        finally:
            shared_streams().close(user_id)


def _share_taken(share: int, most: int) -> Problem:
    show(Standing("streams", share, 0, RETRY_AFTER_S, unit=CONCURRENT))
    where = "" if share == most else " here"  # half of this process's slots
    detail = (
        f"You may have {share} open streams and waits{where}; 0 are left. Close one, or poll the "
        "job."
    )
    return replace(SHARE_TAKEN, detail=detail)
