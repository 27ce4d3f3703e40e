"""The pause between two batches of events."""

import threading
import time
from typing import Final

# Long enough to collect pieces of many streams, too short to be noticed.
BATCH_S: Final = 0.02
# For so long after a job was seen to be followed, others may be as well.
FOLLOWED_S: Final = 1.0


class Pause:
    """Collects what comes meanwhile; what is urgent ends it, if anything may be followed."""

    def __init__(self, batch_s: float = BATCH_S) -> None:
        self._batch_s = batch_s
        self._urgent = threading.Event()
        self._followed_until = 0.0

    def __call__(self) -> None:
        """Pause, unless something urgent has come since the last batch was begun."""
        self._urgent.wait(self._batch_s)

    def begin_batch(self) -> None:
        """Note that what has come so far is being sent."""
        self._urgent.clear()

    def note_followed(self) -> None:
        """Note that a job is followed."""
        self._followed_until = time.monotonic() + FOLLOWED_S

    def end_early(self, *, always: bool = False) -> None:
        """End it now, in any thread, if anything was followed lately, or always."""
        if always or time.monotonic() < self._followed_until:
            self._urgent.set()
