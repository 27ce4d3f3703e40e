"""Wait for a condition instead of a fixed time."""

import time
from collections.abc import Callable


class TooLate(AssertionError):
    """A condition did not hold in time."""


def wait_for(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Poll until the condition holds. Raises TooLate, which names it."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TooLate(f"waited {within_s:.0f} s in vain for {what}")
        time.sleep(0.05)
