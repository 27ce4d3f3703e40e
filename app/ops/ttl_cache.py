"""An answer that is good for a moment, so that many who ask at once cost no more than one."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class SingleFlightCache(Generic[Answer]):
    """Asks at most once in `fresh_s` seconds, and never twice at a time.

    While one asks, others take the last answer unless it is older than `stale_s`: then they wait.
    """

    def __init__(self, ask: Callable[[], Answer], *, fresh_s: float, stale_s: float) -> None:
        self._ask = ask
        self._fresh_s, self._stale_s = fresh_s, stale_s
        self._asking = threading.Lock()
        self._known: tuple[float, Answer] | None = None

    def __call__(self) -> Answer:
        """The answer."""
        good_s = self._stale_s if self._asking.locked() else self._fresh_s
        return (self._younger_than(good_s) or self._ask_once())[1]

    def _ask_once(self) -> tuple[float, Answer]:
        with self._asking:
            known = self._younger_than(self._fresh_s)  # whoever had the lock may have asked
            if known is None:
                answer = self._ask()
                self._known = known = (time.monotonic(), answer)
            return known

    def _younger_than(self, age_s: float) -> tuple[float, Answer] | None:
        known = self._known
        return known if known and time.monotonic() - known[0] < age_s else None
