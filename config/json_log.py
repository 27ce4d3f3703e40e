"""JSON logs: one object a line, whoever writes, from a process's first line to its last.

What Python's loggers are given is not all: libraries print, warn, and end in tracebacks. So stdout
and stderr become loggers too, and the handler writes to the file descriptor itself.
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
    """Writes each record as one line, whole, also within a signal's handler."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format and write; what can't be formatted is written as it came."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 (the seam: a line is not lost, and ends no process)
            args = (record.msg, record.args)
            about = {"name": record.name, "levelname": "ERROR", "levelno": logging.ERROR}
            about |= {"msg": "not formatted: %r with %r", "args": args, "exc_info": sys.exc_info()}
            line = self.format(logging.makeLogRecord(about))
        _write(f"{line}\n".encode())


class LineStream(io.TextIOBase):
    """A stream whose lines are log records."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: str, level: int) -> None:
        self._logger, self._level = logging.getLogger(name), level
        self._begun = threading.local()

    def writable(self) -> bool:
        """It takes what is written."""
        return True

    def write(self, text: str, /) -> int:
        """Log each line that is complete."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, self._begun.line = (self._rest() + text).replace("\r", "\n").split("\n")
        for line in lines:
            self._log(line)
        return len(text)

    def flush(self) -> None:
        """Log what has been begun."""
        line, self._begun.line = self._rest(), ""
        self._log(line)

    def _rest(self) -> str:
        return getattr(self._begun, "line", "")

    def _log(self, line: str) -> None:
        if line.strip():
            self._logger.log(self._level, "%s", line)


def capture_everything() -> None:
    """Turn what this process prints, warns of, and ends by into log records."""
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


def _write(line: bytes) -> None:
    try:
        while line:
            line = line[os.write(STDERR_FD, line) :]
    except OSError:  # the disk is full, or the reader has gone: there is nobody to tell
        return
