"""The services' log lines on one terminal, with each service's name and color, or as JSON."""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_LOOK_S = 0.05
_RESET = "\x1b[0m"


class Console:
    """A log of lines `name | line`. Colors only on a terminal, and not if NO_COLOR is set.

    If the reader (a pipe, a terminal) goes away, it falls silent, and the services keep running.

    Args:
        stream: the output; stdout by default.
        width: the width of the name column.
        as_json: write one object per line instead: the service's own, or one with the line as
            `event`; `process` is the service.
    """

    def __init__(
        self, stream: TextIO | None = None, width: int = 10, *, as_json: bool = False
    ) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._width = width
        self._as_json = as_json
        self._coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}
        self._lock = threading.Lock()
        self._written_at = 0.0

    def __call__(self, name: str, line: str) -> None:
        """Write one line; thread-safe."""
        with self._lock, suppress(OSError, ValueError):  # the pipe is broken, the stream closed
            text = _object(name, line) if self._as_json else f"{self._prefix(name)} {line}"
            self._stream.write(f"{text}\n")
            self._stream.flush()
            self._written_at = time.monotonic()

    def wait_for_quiet(self, for_s: float = 0.5, within_s: float = 3) -> None:
        """Wait until no line was written for `for_s` seconds, but at most `within_s`, so that the
        next lines stay at the end."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < min(deadline, self._written_at + for_s):
            time.sleep(_LOOK_S)

    def _prefix(self, name: str) -> str:
        text = f"{name:<{self._width}} |"
        if not self._coloured:
            return text
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{text}{_RESET}"


def _object(name: str, line: str) -> str:
    said: Any = None
    with suppress(ValueError):
        said = json.loads(line)
    if not isinstance(said, dict):
        said = {"event": line, "level": "info", "timestamp": datetime.now(UTC).isoformat()}
    return json.dumps({"process": name} | said)
