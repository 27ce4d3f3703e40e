"""How many requests one user may send within a minute.

Asking Redis about every request would add a tenth to its cost. So a process counts by itself, and
adds what it has counted to the user's window when that matters: a first hundredth of the limit is
free, and after that a twentieth of what was left. Near the limit each request is added before it is
answered.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from app.http.errors import TooManyRequests
from app.http.limit_fields import Standing, show
from app.http.problems import Problem, Refusal
from app.limits.known import requests_per_minute
from app.limits.windows import USERS, WINDOW_S, Windows, get_windows, seconds
from config.once import once

NAME: Final = "requests"
# After that, what other processes have added may have changed what is left.
FRESH_S: Final = 5.0
# A refusal is repeated for so long without asking again. `Retry-After` is a second at least.
REFUSED_S: Final = 1.0
MOST_USERS: Final = 10_000


@dataclass(slots=True)
class _Count:
    """A user's requests at this process. `uncounted`: those not yet added to the window."""

    limit: int
    since: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    uncounted: int = 0
    asked_at: float | None = None
    left: int = 0
    refused_until: float = 0.0
    retry_after: int = 1


class RequestLimit:
    """Counts of the users whose requests came last, up to 10,000. Thread-safe."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def take(self, user_id: str, limit: int) -> Standing:
        """Count a request. Raises Refusal, with `Retry-After`, if it is one too many."""
        count = self._counts.get(user_id) or self._new(user_id, limit)
        with count.lock:
            now = time.monotonic()
            if count.limit != limit or now - count.since > WINDOW_S:
                _begin(count, limit, now)
            if now < count.refused_until:
                raise _refusal(count)
            count.uncounted += 1
            if count.uncounted > _allowance(count, now):
                self._ask(user_id, count, now)
            return _standing(count)

    def _new(self, user_id: str, limit: int) -> _Count:
        with self._lock:
            if len(self._counts) >= MOST_USERS:
                self._counts.popitem(last=False)
            return self._counts.setdefault(user_id, _Count(limit, time.monotonic(), left=limit))

    def _ask(self, user_id: str, count: _Count, now: float) -> None:
        """Add what was counted to the window. Raises Refusal."""
        window = self._windows.add(user_id, count.uncounted, count.limit)
        if not window.added and (answered := min(count.uncounted - 1, window.left)):
            self._windows.add(user_id, answered, count.limit)
        count.uncounted, count.left = 0, window.left
        count.asked_at = count.since = now
        if not window.added:
            count.left, count.retry_after = 0, seconds(window)
            count.refused_until = now + REFUSED_S
            raise _refusal(count)


def _begin(count: _Count, limit: int, now: float) -> None:
    count.limit, count.since, count.uncounted = limit, now, 0
    count.asked_at, count.left, count.refused_until = None, limit, 0.0


def _allowance(count: _Count, now: float) -> int:
    if count.asked_at is None:
        return count.limit // 100
    return count.left // 20 if now - count.asked_at < FRESH_S else 0


def _standing(count: _Count) -> Standing:
    left = max(count.left - count.uncounted, 0)
    return Standing(NAME, count.limit, left, WINDOW_S, WINDOW_S)


def _refusal(count: _Count) -> Refusal:
    show(Standing(NAME, count.limit, 0, count.retry_after, WINDOW_S))
    detail = (
        f"You have sent the {count.limit} requests that you may send within {WINDOW_S} s; 0 are "
        f"left. Try again in {count.retry_after} s."
    )
    return Refusal(
        Problem(TooManyRequests, detail, headers={"Retry-After": str(count.retry_after)})
    )


@once
def _request_limit() -> RequestLimit:
    return RequestLimit(get_windows(USERS))


def count_request(user_id: str) -> None:
    """Count this request towards its user's limit. Raises Refusal, with `Retry-After`."""
    limit = requests_per_minute(user_id)
    if limit:
        show(_request_limit().take(user_id, limit))
