"""Slots for connections that stay open, for a stream or a wait: WEB_STREAMS, and no user has more
than half of them."""

from typing import Final

from flask import g

from app.http.deferred import until_sent
from app.http.errors import TooManyStreams, TooManyStreamsOfYours
from app.http.problems import Problem
from app.http.slots import Slots
from config.once import once
from config.settings import get_settings

RETRY_AFTER: Final = {"Retry-After": "5"}
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
    until_sent(get_connection_slots().slot(g.user_id))
