"""How many searches run at once: each holds a database connection for up to two seconds.

They have half of the process's connections, and one user has half of those, so that no number of
searches keeps another user's calls from a connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from flask import g

from app.http.problems import Problem, Refusal
from app.http.shares import Shares
from config.settings import get_settings

RETRY_AFTER_S: Final = 2


@lru_cache(maxsize=1)
def searches() -> Shares:
    """The slots of this process's searches."""
    return Shares(max(1, get_settings().database_pool // 2))


@contextmanager
def searching() -> Iterator[None]:
    """Run a search of this request's user.

    Raises:
        Refusal: with `Retry-After`: 429 where the user's searches have their share, 503 where all
            slots are taken.
    """
    lacking = searches().take(g.user_id)
    if lacking is not None:
        raise Refusal(_busy(theirs=lacking == "yours"))
    try:
        yield
    finally:
        searches().release(g.user_id)


def _busy(*, theirs: bool) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    if theirs:
        detail = "Your earlier searches (q) are still running. Wait for them to end."
        return Problem(429, "too_many_searches_of_yours", detail, headers=headers)
    detail = "Too many searches (q) are running. Try again."
    return Problem(503, "too_many_searches", detail, headers=headers)
