"""Wait for what must come, never for a time."""

import time
from collections.abc import Callable


class TooLate(AssertionError):
    """What had to come did not come in time."""


def wait_for(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Look until the condition holds. Raises TooLate, saying what was waited for."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TooLate(f"waited {within_s:.0f} s in vain for {what}")
        time.sleep(0.05)
