"""A storage for Flask-Limiter that rarely asks Redis.

Asking about every request would add a tenth to its cost. So a process counts by itself, and adds
what it has counted to the window when that matters: a first hundredth of the limit is free, and
after that a twentieth of what was left. Near the limit each request is added before it is answered.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from math import floor
from typing import Final

from app.limits.windows import Window, WindowStorage

SCHEME: Final = "trimind"
# After that, what other processes have added may have changed what is left.
FRESH_S: Final = 5.0
# A refusal is repeated for so long without asking again. `Retry-After` is a second at least.
REFUSED_S: Final = 1.0
MOST_KEYS: Final = 10_000
EMPTY: Final[Window] = (0, 0.0, 0, 0.0)


@dataclass(slots=True)
class _Count:
    """What this process has counted. `uncounted`: what is not yet added to the window, as it was
    read last."""

    since: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    uncounted: int = 0
    asked_at: float | None = None
    window: Window = EMPTY
    left: int = 0
    refused_until: float = 0.0


class PortionStorage(WindowStorage):
    """Counts of the keys that came last, up to 10,000, before the windows in Redis. Thread-safe."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 (as the base has it)

    def __init__(self, _uri: str) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count, if so much is left."""
        count = self._counts.get(key) or self._new(key)
        with count.lock:
            now = time.monotonic()
            if now - count.since > expiry:
                _begin(count, now)
            if now < count.refused_until:
                return False
            count.uncounted += amount
            if count.uncounted <= _allowance(count, limit, now):
                return True
            count.asked_at = count.since = now
            if self._share(key, count, limit, expiry, count.uncounted):
                count.uncounted = 0
                return True
            # What was answered already counts, as far as so much was left.
            if answered := min(count.uncounted - amount, count.left):
                self._share(key, count, limit, expiry, answered)
            count.uncounted, count.refused_until = 0, now + REFUSED_S
            return False

    def get_sliding_window(self, key: str, expiry: int) -> Window:
        """What the window had counted when it was read last, and what was counted here since."""
        count = self._counts.get(key)
        if count is None:
            return EMPTY
        previous, previous_s, current, current_s = count.window
        return previous, previous_s, current + count.uncounted, current_s

    def _new(self, key: str) -> _Count:
        with self._lock:
            if len(self._counts) >= MOST_KEYS:
                self._counts.popitem(last=False)
            return self._counts.setdefault(key, _Count(time.monotonic()))

    def _share(self, key: str, count: _Count, limit: int, expiry: int, amount: int) -> bool:
        """Add to the window that all processes share, and read it."""
        added = super().acquire_sliding_window_entry(key, limit, expiry, amount)
        count.window = super().get_sliding_window(key, expiry)
        previous, previous_s, current, _ = count.window
        count.left = max(0, limit - floor(previous * previous_s / expiry + current))
        return added


def _begin(count: _Count, now: float) -> None:
    count.since, count.uncounted, count.asked_at = now, 0, None
    count.window, count.left, count.refused_until = EMPTY, 0, 0.0


def _allowance(count: _Count, limit: int, now: float) -> int:
    if count.asked_at is None:
        return limit // 100
    return count.left // 20 if now - count.asked_at < FRESH_S else 0
