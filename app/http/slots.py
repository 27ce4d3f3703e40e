"""Slots of which no user can have more than half, so that one user is never another's trouble."""

from collections import Counter
from threading import Lock
from typing import Literal

# All are taken; or this user's share is.
Lack = Literal["all", "yours"]


class Shares:
    """Slots of this process, counted by user."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._share = max(1, slots // 2)
        self._lock = Lock()
        self._taken: Counter[str] = Counter()

    def take(self, user_id: str) -> Lack | None:
        """Take a slot; else say what is lacking."""
        with self._lock:
            if self._free <= 0:
                return "all"
            if self._taken[user_id] >= self._share:
                return "yours"
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
