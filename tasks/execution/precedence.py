"""Which threads of this process go first: those with a job of the first lane.

The threads of a process share one core, so a job takes longer by what the others compute meanwhile.
While a thread that goes first works, the others pause before their next step: a task, a
transaction, or a call to a model. A pause is short, so that whoever has much queued goes on too. A
thread that waits for a provider holds nobody up.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

PAUSE_S: Final = 0.25
LONGEST_S: Final = 0.5


class _Thread(threading.local):
    """The number of what goes first in this thread; None: it does not."""

    first: int | None = None


class Precedence:
    """What goes first, and the pauses of the others.

    Args:
        pause_s: how long a thread pauses before a step.
        longest_s: how long a thread that goes first is waited for.
    """

    def __init__(self, pause_s: float = PAUSE_S, longest_s: float = LONGEST_S) -> None:
        self._pause_s, self._longest_s = pause_s, longest_s
        self._thread = _Thread()
        self._lock = threading.Lock()
        self._numbers = count()
        # Until when each of them is waited for.
        self._until: dict[int, float] = {}
        self._free = threading.Event()
        self._free.set()

    @property
    def is_first(self) -> bool:
        """Whether this thread goes first."""
        return self._thread.first is not None

    def begin(self, longest_s: float | None = None) -> int:
        """Let other threads pause for what goes first; returns its number, for `end` or `first`.

        Args:
            longest_s: how long they wait for it.
        """
        with self._lock:
            number = next(self._numbers)
            self._until[number] = time.monotonic() + (longest_s or self._longest_s)
            self._free.clear()
        return number

    def end(self, number: int) -> None:
        """Let nobody pause for it any more; also twice."""
        with self._lock:
            self._until.pop(number, None)
            if not self._until:
                self._free.set()

    @contextmanager
    def first(self, number: int | None = None) -> Iterator[None]:
        """Let this thread go first, or go on with what has begun with this number."""
        before = self._thread.first
        self._thread.first = self.begin() if number is None else number
        try:
            yield
        finally:
            self.end(self._thread.first)
            self._thread.first = before

    def stand_aside(self) -> None:
        """Hold nobody up until `resume`: this thread waits for a provider."""
        if self._thread.first is not None:
            self.end(self._thread.first)

    def resume(self) -> None:
        """Go first again, if this thread did before it stood aside."""
        if self._thread.first is not None:
            self._thread.first = self.begin()

    def give_way(self) -> bool:
        """Pause while another thread goes first; returns whether one still does, and is still to be
        waited for. The caller holds no connection and no lock."""
        if self._free.is_set() or self.is_first:
            return False
        left = self._latest() - time.monotonic()
        return left > 0 and not self._free.wait(min(left, self._pause_s))

    def _latest(self) -> float:
        with self._lock:
            return max(self._until.values(), default=0.0)


precedence: Final = Precedence()
