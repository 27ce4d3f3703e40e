"""Text logs: a line per event, as structlog's console renderer has it, at a quarter of its cost."""

import logging
import sys
from collections.abc import MutableMapping
from threading import RLock
from typing import Any, Final

import structlog

LEVEL_WIDTH: Final = 9
QUOTED: Final = frozenset(" \t=\r\n\"'")
# What needs more than one line.
LONG: Final = ("exception", "exc_info", "stack")

_console: Final = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, sort_keys=False)
_writing: Final = RLock()  # a signal handler may log while its own thread does


def render_text(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """The event as text: its time, level and words, then each value with its name."""
    if any(each in event for each in LONG) or "logger" in event or "logger_name" in event:
        return _console(logger, name, event)
    said = [str(event.pop("timestamp")), f"[{event.pop('level'):<{LEVEL_WIDTH}}]"]
    said.append(str(event.pop("event")))
    said += [f"{key}={_shown(value)}" for key, value in event.items()]
    return " ".join(said)


def one_line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters: a library's message may contain untrusted text, which must not
    start a new line or control a terminal. Values are repr'd already."""
    text = str(event["event"])
    event["event"] = text if text.isprintable() else "".join(map(_escaped, text))
    return event


def write_text(line: str) -> None:
    """Write a line to stderr, whole."""
    try:
        with _writing:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
    except (OSError, ValueError):  # full or closed: there is nowhere to report it
        return


class TextHandler(logging.Handler):
    """A handler that writes each record as a line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format and write a record."""
        try:
            write_text(self.format(record))
        except Exception:  # noqa: BLE001 (the boundary, as in every handler of the standard library)
            self.handleError(record)


def _shown(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and QUOTED.isdisjoint(value):
        return value
    return repr(value)


def _escaped(each: str) -> str:
    return each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
