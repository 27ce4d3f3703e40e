"""Slots for connections that stay open, for a stream or a wait: WEB_STREAMS, and no user has more
than half of them, or than his own limit."""

from dataclasses import replace
from typing import Final

from flask import g

from app.http.deferred import until_sent
from app.http.errors import TooManyStreams, TooManyStreamsOfYours
from app.http.problems import Problem, Refusal
from app.http.slots import Slots
from app.limits.fields import CONCURRENT, Standing, show
from app.limits.known import most_streams
from config.once import once
from config.settings import get_settings

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


def take_slot() -> None:
    """Take a slot until this request's answer has been sent. Raises Refusal, with `Retry-After`, if
    there is none: 503, or 429 if this user has as many as one user may have."""
    slots, most = get_connection_slots(), most_streams(g.user_id)
    try:
        until_sent(slots.slot(g.user_id, most))
    except Refusal as refusal:
        if refusal.problem is not SHARE_TAKEN:
            raise
        raise Refusal(_share_taken(slots.share(most))) from None


def _share_taken(share: int) -> Problem:
    show(Standing("streams", share, 0, RETRY_AFTER_S, unit=CONCURRENT))
    detail = (
        f"You may have {share} open streams and waits here; 0 are left. Close one, or poll the job."
    )
    return replace(SHARE_TAKEN, detail=detail)
