"""JSON logs: every line of a process, from its first to its last, is an object.

Libraries also print, warn and raise tracebacks without a logger. So stdout and stderr become
loggers too, and the handler writes to the file descriptor itself.
"""

import io
import logging
import os
import sys
import threading
from types import TracebackType
from typing import Any, Final

STDERR_FD: Final = 2


class LineHandler(logging.Handler):
    """A handler that writes each record as one complete line; safe in signal handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format and write a record; one that can't be formatted is written raw."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 (the boundary: no line is lost, and none stops a process)
            args = (record.msg, record.args)
            about = {"name": record.name, "levelname": "ERROR", "levelno": logging.ERROR}
            about |= {"msg": "not formatted: %r with %r", "args": args, "exc_info": sys.exc_info()}
            line = self.format(logging.makeLogRecord(about))
        write_line(line)


class LineStream(io.TextIOBase):
    """A text stream that logs each line."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: str, level: int) -> None:
        self._logger, self._level = logging.getLogger(name), level
        self._begun = threading.local()

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str, /) -> int:
        """Log each complete line."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, self._begun.line = (self._rest() + text).replace("\r", "\n").split("\n")
        for line in lines:
            self._log(line)
        return len(text)

    def flush(self) -> None:
        """Log the incomplete line."""
        line, self._begun.line = self._rest(), ""
        self._log(line)

    def _rest(self) -> str:
        return getattr(self._begun, "line", "")

    def _log(self, line: str) -> None:
        if line.strip():
            self._logger.log(self._level, "%s", line)


def capture_everything() -> None:
    """Log what this process prints, its warnings and its uncaught exceptions."""
    if isinstance(sys.stderr, LineStream):
        return
    sys.stdout = LineStream("stdout", logging.INFO)
    sys.stderr = LineStream("stderr", logging.ERROR)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logging.getLogger("uncaught").critical("uncaught exception", exc_info=(kind, error, traceback))


def _uncaught_in_thread(hooked: threading.ExceptHookArgs) -> None:
    if not issubclass(hooked.exc_type, SystemExit):
        error = hooked.exc_value or hooked.exc_type()
        _uncaught(hooked.exc_type, error, hooked.exc_traceback)


def _unraisable(hooked: Any) -> None:
    error = hooked.exc_value or hooked.exc_type()
    logging.getLogger("uncaught").error(
        "exception ignored in %r",
        hooked.object,
        exc_info=(hooked.exc_type, error, hooked.exc_traceback),
    )


def write_line(line: str) -> None:
    """Write a line to stderr, whole."""
    left = f"{line}\n".encode()
    try:
        while left:
            left = left[os.write(STDERR_FD, left) :]
    except OSError:  # the disk is full or the pipe is closed: there is nowhere to report it
        return
