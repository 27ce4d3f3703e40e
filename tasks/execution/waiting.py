"""Threads of this process that wait for a provider: they need no CPU, so others may work."""

from collections.abc import Callable

_note: Callable[[int], object] | None = None


def follow_waiting(note: Callable[[int], object]) -> None:
    """Call this with 1 when a thread begins to wait, and with -1 when it goes on."""
    global _note
    _note = note


def note_waiting(more: int) -> None:
    """Note that so many more threads wait."""
    if _note is not None:
        _note(more)
