"""The shutdown of this process: everything that waits learns that it has begun."""

import threading
from collections.abc import Callable
from typing import Final

# Set once the shutdown has begun; a long wait ends with it.
shutting_down: Final = threading.Event()

_callbacks: list[Callable[[], None]] = []


def on_shutdown(callback: Callable[[], None]) -> None:
    """Call this when the shutdown begins, or now if it has begun. Calling it twice must be safe."""
    _callbacks.append(callback)
    if shutting_down.is_set():
        callback()


def begin_shutdown() -> None:
    """Let every wait of this process end."""
    shutting_down.set()
    for callback in _callbacks:
        callback()
