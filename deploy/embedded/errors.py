"""Errors of starting and running the embedded processes."""

import errno
import signal
from collections.abc import Sequence
from pathlib import Path

# Errors of a file that can't grow: because of the disk, the quota or the process's limit.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SAID_FULL = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "File size limit exceeded",
    f"was killed by signal {signal.SIGXFSZ:d} ",
)
MAKE_ROOM = (
    "free space on the disk of TRIMIND_HOME, or set TRIMIND_HOME to a folder on another disk"
)


class EmbeddedError(RuntimeError):
    """An error that the operator has to fix; the message says how."""


class HomeInUseError(EmbeddedError):
    """Another supervisor uses the data folder."""


class HomeUnusableError(EmbeddedError):
    """The data folder cannot hold PostgreSQL's data."""

    @classmethod
    def by(cls, home: Path, error: OSError) -> "HomeUnusableError":
        """The error for a failed system call, with what to do."""
        advice = f": {MAKE_ROOM}" if error.errno in FULL else ""
        return cls(f"TRIMIND_HOME={home} cannot be used: {error.strerror or error}{advice}")


class NotInstalledError(EmbeddedError):
    """A wheel or program is missing, and no URL is set instead."""


class ProcfileError(EmbeddedError):
    """The Procfile is missing, or has an invalid line."""


class StopRequestedError(EmbeddedError):
    """A signal requested the stop while services were starting."""


class ServiceFailedError(EmbeddedError):
    """A service did not become ready, or keeps crashing; the message has its last log lines."""

    def __init__(self, name: str, reason: str, last_lines: Sequence[str] = ()) -> None:
        super().__init__(name, reason, tuple(last_lines))
        self.name = name
        self.reason = reason
        self.last_lines = tuple(last_lines)

    def __str__(self) -> str:
        said = (self.reason, *self.last_lines)
        if any(full in line for line in said for full in _SAID_FULL):
            return f"{self.name} {self.reason} because the disk is full: {MAKE_ROOM}"
        lines = "".join(f"\n  {self.name} | {line}" for line in self.last_lines)
        return f"{self.name} {self.reason}{lines or ' (it logged nothing)'}"
