"""Sliding windows of a minute, by the package `limits`: in Redis, or in memory while Redis is
unavailable.

The window is approximated by two counters: the last minute's count, weighted by how much of it is
still within a minute, and the current one's.
"""

import time
from dataclasses import dataclass
from math import ceil
from typing import Final

import redis
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from config.once import once
from config.outages import outages
from config.redis import redis_client
from config.settings import get_settings

WINDOW_S: Final = 60
PREFIX: Final = "trimind:limits"
# Of whom: their counts in memory are apart, since anybody may send wrong keys from many addresses.
USERS: Final = "users"
ADDRESSES: Final = "addresses"
MOST_IN_MEMORY: Final = 10_000
# Within that after a failure Redis is not asked: each call might take half a second.
REDIS_UNAVAILABLE_S: Final = 5.0
WATCHER: Final = "limits"


@dataclass(frozen=True, slots=True)
class Window:
    """Whether a count was added, what is left then, and in how many seconds more is."""

    added: bool
    left: int
    more_in_s: float


class Windows:
    """Windows in Redis. Thread-safe; a call takes one or two round trips."""

    def __init__(self) -> None:
        url = get_settings().redis_url.get_secret_value()
        pool = redis_client().connection_pool
        storage = RedisStorage(url, connection_pool=pool, key_prefix=PREFIX)
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._own = MemoryWindows()
        self._unavailable_until = 0.0

    def add(self, whose: str, count: int, limit: int) -> Window:
        """Count what one of them has sent, all of it or none."""
        if time.monotonic() >= self._unavailable_until:
            try:
                window = _add(self._shared, whose, count, limit)
            except redis.RedisError as error:
                outages.note("redis", error, watcher=WATCHER)
                self._unavailable_until = time.monotonic() + REDIS_UNAVAILABLE_S
            else:
                outages.clear("redis", WATCHER)
                return window
        return self._own.add(whose, count, limit)


class MemoryWindows:
    """The windows of this process alone, of which `most` are kept: if there are more, all are
    forgotten. Thread-safe.

    The library keeps each for two minutes, and looks through all of them every 10 ms.
    """

    def __init__(self, most: int = MOST_IN_MEMORY) -> None:
        self._most = most
        self._storage: MemoryStorage | None = None  # made when needed, since it starts a thread

    def __len__(self) -> int:
        return len(self._storage.storage) if self._storage is not None else 0

    def add(self, whose: str, count: int, limit: int) -> Window:
        """Count what one of them has sent, all of it or none."""
        if self._storage is None or len(self) >= self._most:
            # Not emptied: the library's thread may be looking through it.
            self._storage = MemoryStorage()
        return _add(SlidingWindowCounterRateLimiter(self._storage), whose, count, limit)


def _add(windows: SlidingWindowCounterRateLimiter, whose: str, count: int, limit: int) -> Window:
    item = RateLimitItemPerMinute(limit)
    added = windows.hit(item, whose, cost=count)
    stats = windows.get_window_stats(item, whose)
    return Window(added, stats.remaining, max(stats.reset_time - time.time(), 0))


def seconds(window: Window) -> int:
    """After how many whole seconds to try again, at least one."""
    return max(1, ceil(window.more_in_s))


@once
def get_windows(_of: str) -> Windows:
    """The windows of `USERS` or of `ADDRESSES`, as this process sees them."""
    return Windows()
