"""Limits how many searches run at once: each occupies a database connection for up to two seconds.

Together they may use half of the process's connections, and one user half of those, so that no
number of searches keeps other users' calls from getting a connection.
"""

from contextlib import AbstractContextManager
from typing import Final

from flask import g

from app.http.errors import TooManySearches, TooManySearchesOfYours
from app.http.problems import Problem
from app.http.slots import Slots
from config.once import once
from config.settings import get_settings

RETRY_AFTER: Final = {"Retry-After": "2"}
ALL_TAKEN: Final = Problem(
    TooManySearches,
    "Too many searches (q) are running. Try again.",
    headers=RETRY_AFTER,
)
SHARE_TAKEN: Final = Problem(
    TooManySearchesOfYours,
    "Your earlier searches (q) are still running. Wait for them to end.",
    headers=RETRY_AFTER,
)


@once
def get_search_slots() -> Slots:
    """Return this process's slots for searches."""
    # Half of the connections, rounded up.
    count = (get_settings().database_pool + 1) // 2
    return Slots(count, all_taken=ALL_TAKEN, share_taken=SHARE_TAKEN)


def search_slot() -> AbstractContextManager[None]:
    """Return a slot for a search by this request's user. Entering it raises Refusal, with
    `Retry-After`, if none is free."""
    return get_search_slots().slot(g.user_id)
