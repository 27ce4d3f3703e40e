"""A spinner on stderr while nothing else is printed; nothing at all off a terminal."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
EVERY_S: Final = 0.1
CLEAR: Final = "\r\x1b[K"


class Spinner:
    """Shows that something is awaited, and what. Use it in a `with` statement."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def __enter__(self) -> "Spinner":
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def says(self, text: str) -> None:
        """Change the text."""
        self._text = text

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remove the spinner while something else is printed."""
        with self._lock:
            if self._thread.is_alive():
                self._write(CLEAR)
            yield

    def stop(self) -> None:
        """Remove the spinner for good."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _spin(self) -> None:
        number = 0
        while not self._stopped.wait(EVERY_S):
            with self._lock:
                self._write(f"{CLEAR}{FRAMES[number % len(FRAMES)]} {self._text}")
            number += 1
        self._write(CLEAR)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
