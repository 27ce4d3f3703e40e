"""Threads of this process that wait for a provider: they need no CPU, so others may work."""

from collections.abc import Callable

from tasks.execution.precedence import precedence

_note: Callable[[int], object] | None = None


def follow_waiting(note: Callable[[int], object]) -> None:
    """Call this with 1 when a thread begins to wait, and with -1 when it goes on."""
    global _note
    _note = note


def begin_waiting(room: int) -> None:
    """This thread waits from now on, so that `room` more may work."""
    precedence.stand_aside()
    if _note is not None:
        _note(room)


def end_waiting(room: int) -> None:
    """This thread goes on."""
    precedence.resume()
    if _note is not None:
        _note(-room)
