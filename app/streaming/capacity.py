"""Slots for connections that stay open, a stream or a wait: WEB_STREAMS, and no user has more than
half of them."""

from functools import lru_cache
from typing import Final

from flask import g

from app.http.deferred import at_end
from app.http.problems import Problem, Refusal
from app.http.shares import Lack, Shares
from config.settings import get_settings

RETRY_AFTER_S: Final = 5


@lru_cache(maxsize=1)
def get_slots() -> Shares:
    """Those of this process."""
    return Shares(get_settings().web_streams)


def take_slot() -> Lack | None:
    """Take a slot for this request, up to the end of its answer; else say what is lacking."""
    slots, user_id = get_slots(), g.user_id
    lacking = slots.take(user_id)
    if lacking is None:
        at_end(lambda _: slots.release(user_id))
    return lacking


def require_slot() -> None:
    """Take a slot for this request. Raises Refusal, with `Retry-After`, where there is none: 503,
    or 429 where this user has his share."""
    lacking = take_slot()
    if lacking is None:
        return
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    if lacking == "all":
        detail = "Too many open streams. Try again, or poll the job."
        raise Refusal(Problem(503, "too_many_streams", detail, headers=headers))
    detail = "You have as many streams open here as one user may have. End one, or poll the job."
    raise Refusal(Problem(429, "too_many_streams_of_yours", detail, headers=headers))
