"""The end of this web process: who waits here for something else hears of it."""

import threading
from collections.abc import Callable

_ending = threading.Event()
_told: list[Callable[[], None]] = []


def on_shutdown(call: Callable[[], None]) -> None:
    """Have something called, once, when this process is asked to end; at once if it is already."""
    _told.append(call)
    if _ending.is_set():
        call()


def shut_down() -> None:
    """Tell all that wait that this process ends: their clients go elsewhere."""
    _ending.set()
    for call in _told:
        call()
