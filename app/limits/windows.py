"""Sliding windows of a minute, by the package `limits`: in Redis, or in memory while Redis is
unavailable.

The window is approximated by two counters: the last minute's count, weighted by how much of it is
still within a minute, and the current one's.
"""

import threading
import time
from math import ceil
from typing import Any, Final

import redis
from limits.storage import MemoryStorage, RedisStorage

from config.outages import outages
from config.redis import redis_client
from config.settings import get_settings

WINDOW_S: Final = 60
PREFIX: Final = "trimind:limits"
STRATEGY: Final = "sliding-window-counter"
MOST_IN_MEMORY: Final = 10_000
# Within that after a failure Redis is not asked: each call might take half a second.
REDIS_UNAVAILABLE_S: Final = 5.0
WATCHER: Final = "limits"

# The last minute's count, for how long it matters, the current minute's count, and for how long.
Window = tuple[int, float, int, float]


class WindowStorage(RedisStorage):
    """A storage that adds to a window and reads it in one round trip: what is read next is what was
    read then. While Redis is unavailable, windows are this process's alone. Thread-safe."""

    STORAGE_SCHEME: list[str] = []  # noqa: RUF012 (as the base has it): found by no URL

    def __init__(self) -> None:
        url, pool = get_settings().redis_url.get_secret_value(), redis_client().connection_pool
        super().__init__(url, connection_pool=pool, key_prefix=PREFIX)
        self._scripts = (self.lua_acquire_sliding_window, self.lua_sliding_window)
        self._last = threading.local()
        self._own = MemoryWindows()
        self._unavailable_until = 0.0

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Add to a window, if so much is left."""
        if time.monotonic() >= self._unavailable_until:
            try:
                added, window = self._add(key, limit, expiry, amount)
            except redis.RedisError as error:
                outages.note("redis", error, watcher=WATCHER)
                self._unavailable_until = time.monotonic() + REDIS_UNAVAILABLE_S
            else:
                outages.clear("redis", WATCHER)
                self._last.read = key, window
                return added
        added, window = self._own.add(key, limit, expiry, amount)
        self._last.read = key, window
        return added

    def get_sliding_window(self, key: str, expiry: int) -> Window:
        """What the window that this thread has added to last has counted, and for how long."""
        of, window = self._last.read
        return window if of == key else super().get_sliding_window(key, expiry)

    def _add(self, key: str, limit: int, expiry: int, amount: int) -> tuple[bool, Window]:
        names = (self._previous_window_key(key), self._current_window_key(key))
        keys = [self.prefixed_key(name) for name in names]
        try:
            added, window = self._run(keys, [limit, expiry, amount], [expiry])
        except redis.exceptions.NoScriptError:
            for script in self._scripts:
                redis_client().script_load(script.script)
            added, window = self._run(keys, [limit, expiry, amount], [expiry])
        counts = [max(0, int(each or 0)) for each in window]
        return bool(added), (counts[0], counts[1] / 1000, counts[2], counts[3] / 1000)

    def _run(self, keys: list[str], *args: list[int]) -> list[Any]:
        with redis_client().pipeline(transaction=False) as pipe:
            for script, each in zip(self._scripts, args, strict=True):
                pipe.evalsha(script.sha, len(keys), *keys, *each)
            return pipe.execute()


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

    def add(self, key: str, limit: int, expiry: int, amount: int = 1) -> tuple[bool, Window]:
        """Add to a window, if so much is left, and read it."""
        storage = self._storage
        if storage is None or len(self) >= self._most:
            # Not emptied: the library's thread may be looking through it.
            storage = self._storage = MemoryStorage()
        added = storage.acquire_sliding_window_entry(key, limit, expiry, amount)
        return added, storage.get_sliding_window(key, expiry)


def seconds_until(reset_time: float) -> int:
    """After how many whole seconds to try again, at least one."""
    return max(1, ceil(reset_time - time.time()))
