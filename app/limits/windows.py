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
    """The users' windows. Thread-safe; a call takes one or two round trips to Redis."""

    def __init__(self) -> None:
        url = get_settings().redis_url.get_secret_value()
        pool = redis_client().connection_pool
        storage = RedisStorage(url, connection_pool=pool, key_prefix=PREFIX)
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._unavailable_until = 0.0

    def add(self, user_id: str, count: int, limit: int) -> Window:
        """Count requests of a user, all or none of them."""
        if time.monotonic() >= self._unavailable_until:
            try:
                window = _add(self._shared, user_id, count, limit)
            except redis.RedisError as error:
                outages.note("redis", error, watcher=WATCHER)
                self._unavailable_until = time.monotonic() + REDIS_UNAVAILABLE_S
            else:
                outages.clear("redis", WATCHER)
                return window
        return _add(_own(), user_id, count, limit)


def _add(windows: SlidingWindowCounterRateLimiter, user_id: str, count: int, limit: int) -> Window:
    item = RateLimitItemPerMinute(limit)
    added = windows.hit(item, user_id, cost=count)
    stats = windows.get_window_stats(item, user_id)
    return Window(added, stats.remaining, max(stats.reset_time - time.time(), 0))


@once
def _own() -> SlidingWindowCounterRateLimiter:
    """This process's windows; made when needed, since its storage starts a thread."""
    return SlidingWindowCounterRateLimiter(MemoryStorage())


def seconds(window: Window) -> int:
    """After how many whole seconds to try again, at least one."""
    return max(1, ceil(window.more_in_s))


@once
def get_windows() -> Windows:
    """The windows, as this process sees them."""
    return Windows()
