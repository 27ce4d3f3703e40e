"""The text that a running stage has generated so far, and the event numbers of its characters."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.lifecycle.event_numbers import NumberedText, next_number
from tasks.storable_text import repaired

# Publishes a piece of text: the text, the number before it and the number of its last character. A
# text of None means that the text restarts.
PublishText = Callable[[str | None, int, int], None]


@dataclass(frozen=True)
class Saved(NumberedText):
    """The text so far, and how often the text of this job restarted."""

    restarts: int

    @property
    def place(self) -> dict[str, int]:
        """The columns of the job's row that give the text its numbers."""
        return {"text_base": self.base, "restarts": self.restarts}

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the job's row while the stage runs."""
        return {"partial": self.text, "sequence": self.number, **self.place}


class OutputBuffer:
    """The draft of a run: written by one thread, read by another.

    Every character has a number, so that a client can resume where it stopped reading.
    """

    def __init__(
        self, base: int, restarts: int = 0, publish: PublishText = lambda *_: None
    ) -> None:
        self._lock = threading.Lock()
        self._parts: list[str] = []
        self._base = base
        self._last = base
        # `base` is the number of the restart event, which a first text does not have.
        self._published = base if restarts else base - 1
        self._restarts = restarts
        self._publish = publish

    def restart(self) -> None:
        """Discard the text, if there is any: another model starts over."""
        with self._lock:
            if not self._parts:
                return
            self._parts = []
            self._base = self._last = self._published = next_number(self._last)
            self._restarts += 1
        self._publish(None, self._base - 1, self._base)

    def add(self, text: str) -> None:
        """Append a piece. What PostgreSQL can't store (U+0000, half a surrogate pair) is dropped or
        replaced, since one statement saves the drafts of many jobs."""
        text = repaired(text)
        if not text:
            return
        with self._lock:
            self._parts.append(text)
            self._last += len(text)
            before, self._published = self._published, self._last
        self._publish(text, before, self._last)

    @property
    def text(self) -> str:
        """The whole text so far."""
        return "".join(self._parts)

    @property
    def number(self) -> int:
        """The number of the last event of this text."""
        return self._last

    def saved(self) -> Saved:
        """Take a snapshot."""
        with self._lock:
            return Saved(self._base, "".join(self._parts), self._restarts)
