"""The services' log lines on one screen, each with its service's name and colour; or as JSON."""

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
    """Writes `name | line`. Colours only on a terminal, and not where NO_COLOR is set.

    Whoever read us may go away (a pipe, a terminal): then it is silent, and the services live on.

    Args:
        stream: where to; stdout by default.
        width: of the names.
        as_json: one object a line instead: a service's own, or one that has its line as `event`;
            `process` is the service.
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
        """Writes one line; safe from any thread."""
        with self._lock, suppress(OSError, ValueError):  # the pipe is broken, the stream closed
            text = _object(name, line) if self._as_json else f"{self._prefix(name)} {line}"
            self._stream.write(f"{text}\n")
            self._stream.flush()
            self._written_at = time.monotonic()

    def wait_for_quiet(self, for_s: float = 0.5, within_s: float = 3) -> None:
        """Returns once no line has come for so long, and after `within_s` in any case: what is
        written next stays at the end."""
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
