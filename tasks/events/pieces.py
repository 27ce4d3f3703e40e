"""The pieces of a running text that are not published yet."""

from threading import Lock

from tasks.events.envelope import Envelope


class Pieces:
    """Added by the thread that reads an answer, and taken by the one that publishes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: list[str] = []
        self._before = self._number = 0
        self._due = False

    def add(self, text: str, before: int, number: int) -> bool:
        """Add a piece; whether it makes them due, which lasts until they are `seen`."""
        with self._lock:
            if not self._parts:
                self._before = before
            self._parts.append(text)
            self._number = number
            due, self._due = not self._due, True
            return due

    def seen(self) -> None:
        """The next piece makes them due again, whether these are taken or not."""
        with self._lock:
            self._due = False

    def take(self) -> Envelope | None:
        """All pieces as one, if there are any."""
        with self._lock:
            if not self._parts:
                return None
            parts, self._parts = self._parts, []
            return Envelope("text", self._before, self._number, {"text": "".join(parts)})
