"""A value cached for a moment, so that many requests at once cost no more than one."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SingleFlightCache(Generic[Value]):
    """Loads a value at most once in `fresh_s` seconds, and never twice at the same time.

    During a load, other threads get the previous value, or wait if it is older than `stale_s`.
    """

    def __init__(self, load: Callable[[], Value], *, fresh_s: float, stale_s: float) -> None:
        self._load = load
        self._fresh_s, self._stale_s = fresh_s, stale_s
        self._loading = threading.Lock()
        self._known: tuple[float, Value] | None = None

    def __call__(self) -> Value:
        """Return the value."""
        good_s = self._stale_s if self._loading.locked() else self._fresh_s
        return (self._younger_than(good_s) or self._load_once())[1]

    def _load_once(self) -> tuple[float, Value]:
        with self._loading:
            known = self._younger_than(self._fresh_s)  # another thread may have loaded it meanwhile
            if known is None:
                value = self._load()
                self._known = known = (time.monotonic(), value)
            return known

    def _younger_than(self, age_s: float) -> tuple[float, Value] | None:
        known = self._known
        return known if known and time.monotonic() - known[0] < age_s else None
