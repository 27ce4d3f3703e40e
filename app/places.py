"""Places for those who stay, an open stream or a wait: WEB_STREAMS, and no user has more than half
of them."""

from collections import Counter
from functools import lru_cache
from threading import Lock
from typing import Final

from flask import g, request

from app.http.exchange import STAY
from app.problem import Problem, Refusal
from config.settings import get_settings

RETRY_AFTER_S: Final = 5


class Places:
    """Who stays here, counted by user."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._share = max(1, places // 2)
        self._lock = Lock()
        self._taken: Counter[str] = Counter()

    def take(self, user_id: str) -> str | None:
        """Take a place; else the code of what is lacking."""
        with self._lock:
            if self._free <= 0:
                return "too_many_streams"
            if self._taken[user_id] >= self._share:
                return "too_many_streams_of_yours"
            self._free -= 1
            self._taken[user_id] += 1
            return None

    def release(self, user_id: str) -> None:
        """Give one back."""
        with self._lock:
            self._free += 1
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]


@lru_cache(maxsize=1)
def places() -> Places:
    """Those of this process."""
    return Places(get_settings().web_streams)


def stay() -> str | None:
    """Take a place for this request's user; else the code of what is lacking."""
    lacking = places().take(g.user_id)
    if lacking is None and (begin := request.environ.get(STAY)) is not None:
        begin()
    return lacking


def take_place() -> None:
    """Take a place for a stream. Raises Refusal, with `Retry-After`, where there is none: 503, or
    429 where this user has his share."""
    lacking = stay()
    if lacking is None:
        return
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    if lacking == "too_many_streams":
        detail = "As many streams are open here as may be. Try again, or poll the job."
        raise Refusal(Problem(503, "too_many_streams", detail, headers=headers))
    detail = "You have as many streams open here as one user may have. End one, or poll the job."
    raise Refusal(Problem(429, "too_many_streams_of_yours", detail, headers=headers))


def give_place_back() -> None:
    """Give this request's place back."""
    places().release(g.user_id)
