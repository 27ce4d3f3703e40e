"""Which threads of this process go first: those with a job of the first lane.

The threads of a process share one core, so a job takes longer by what the others compute meanwhile.
While a thread that goes first works, the others pause before their next step: a transaction, or a
call to a model. A pause is short, so that whoever has much queued goes on too. A thread that waits
for a provider holds nobody up.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PAUSE_S: Final = 0.25
LONGEST_S: Final = 0.5


class _Thread(threading.local):
    """`is_first`: this thread goes first."""

    is_first = False


class Precedence:
    """The threads that go first, and the pauses of the others.

    Args:
        pause_s: how long a thread pauses before a step.
        longest_s: how long a thread that goes first is waited for.
    """

    def __init__(self, pause_s: float = PAUSE_S, longest_s: float = LONGEST_S) -> None:
        self._pause_s, self._longest_s = pause_s, longest_s
        self._thread = _Thread()
        self._lock = threading.Lock()
        self._working = 0
        self._until = 0.0
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Let this thread go first."""
        self._thread.is_first = True
        self._begin()
        try:
            yield
        finally:
            self._end()
            self._thread.is_first = False

    def stand_aside(self) -> None:
        """Hold nobody up until `resume`: this thread waits for a provider."""
        if self._thread.is_first:
            self._end()

    def resume(self) -> None:
        """Go first again, if this thread did before it stood aside."""
        if self._thread.is_first:
            self._begin()

    def give_way(self) -> bool:
        """Pause while another thread goes first; returns whether one still does, and is still to be
        waited for. The caller holds no connection and no lock."""
        if self._free.is_set() or self._thread.is_first:
            return False
        left = self._until - time.monotonic()
        return left > 0 and not self._free.wait(min(left, self._pause_s))

    def _begin(self) -> None:
        with self._lock:
            self._working += 1
            self._until = time.monotonic() + self._longest_s
            self._free.clear()

    def _end(self) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                self._free.set()


precedence: Final = Precedence()
