"""What can go wrong before and while the embedded processes run."""

import errno
import signal
from collections.abc import Sequence
from pathlib import Path

# What the system says where a file can't grow: the disk, the quota, or the limit of the process.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SAID_FULL = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "File size limit exceeded",
    f"ended by signal {signal.SIGXFSZ:d} ",
)
MAKE_ROOM = "make room on the disk of TRIMIND_HOME, or set TRIMIND_HOME to a folder on another one"


class EmbeddedError(RuntimeError):
    """Something the operator has to change; the message says what."""


class HomeInUseError(EmbeddedError):
    """Another supervisor owns the data folder."""


class HomeUnusableError(EmbeddedError):
    """The data folder cannot hold PostgreSQL's data."""

    @classmethod
    def by(cls, home: Path, error: OSError) -> "HomeUnusableError":
        """Says what the system said, and what to do."""
        advice = f": {MAKE_ROOM}" if error.errno in FULL else ""
        return cls(f"TRIMIND_HOME={home} cannot be used: {error.strerror or error}{advice}")


class NotInstalledError(EmbeddedError):
    """A wheel or binary is missing, and no URL replaces it."""


class ProcfileError(EmbeddedError):
    """The Procfile has a line that is not `name: command`."""


class StopRequestedError(EmbeddedError):
    """A signal asked for the end while services were still starting."""


class ServiceFailedError(EmbeddedError):
    """A service did not become ready, or keeps dying; the message ends with its last log lines."""

    def __init__(self, name: str, reason: str, last_lines: Sequence[str] = ()) -> None:
        super().__init__(name, reason, tuple(last_lines))
        self.name = name
        self.reason = reason
        self.last_lines = tuple(last_lines)

    def __str__(self) -> str:
        said = (self.reason, *self.last_lines)
        if any(full in line for line in said for full in _SAID_FULL):
            return f"{self.name} {self.reason}, since the disk is full: {MAKE_ROOM}"
        lines = "".join(f"\n  {self.name} | {line}" for line in self.last_lines)
        return f"{self.name} {self.reason}{lines or ' (it logged nothing)'}"
