"""The text that a running stage has made so far, and the numbers of its characters as events."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.lifecycle.event_numbers import NumberedText, next_number
from tasks.storable_text import repaired

# Told of each new piece: its text, the number before it and the number of its last character. The
# text is None where a text begins anew.
Tell = Callable[[str | None, int, int], None]


@dataclass(frozen=True)
class Saved(NumberedText):
    """The text so far, and how often the text of this job restarted."""

    restarts: int

    @property
    def place(self) -> dict[str, int]:
        """Where the text has its numbers, as the job's row keeps it."""
        return {"text_base": self.base, "restarts": self.restarts}

    @property
    def columns(self) -> dict[str, Any]:
        """As the job's row keeps it while its stage runs."""
        return {"partial": self.text, "sequence": self.number, **self.place}


class OutputBuffer:
    """Written by one thread, read by another.

    Every character has a number, so that a client goes on from where it stopped reading.
    """

    def __init__(self, base: int, restarts: int = 0, publish_event: Tell = lambda *_: None) -> None:
        self._lock = threading.Lock()
        self._parts: list[str] = []
        self._base = base
        self._last = base
        # The number `base` is that of the text's new beginning. Of a first text there is none.
        self._told = base if restarts else base - 1
        self._restarts = restarts
        self._tell = publish_event

    def restart(self) -> None:
        """Forget the text, if there is any: another model begins anew."""
        with self._lock:
            if not self._parts:
                return
            self._parts = []
            self._base = self._last = self._told = next_number(self._last)
            self._restarts += 1
        self._tell(None, self._base - 1, self._base)

    def add(self, text: str) -> None:
        """Append what has just come. What PostgreSQL can't store (U+0000, half a surrogate pair) is
        left out or replaced: drafts of many jobs are saved in one statement."""
        text = repaired(text)
        if not text:
            return
        with self._lock:
            self._parts.append(text)
            self._last += len(text)
            before, self._told = self._told, self._last
        self._tell(text, before, self._last)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    @property
    def number(self) -> int:
        """The number of the last event that it has made."""
        return self._last

    def saved(self) -> Saved:
        """What there is of it now."""
        with self._lock:
            return Saved(self._base, "".join(self._parts), self._restarts)
