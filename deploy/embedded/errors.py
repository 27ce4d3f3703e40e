"""What can go wrong before and while the embedded processes run."""

from collections.abc import Sequence


class EmbeddedError(RuntimeError):
    """Something the operator has to change; the message says what."""


class HomeInUseError(EmbeddedError):
    """Another supervisor owns the data folder."""


class HomeUnusableError(EmbeddedError):
    """The data folder cannot hold PostgreSQL's data."""


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
        lines = "".join(f"\n  {self.name} | {line}" for line in self.last_lines)
        return f"{self.name} {self.reason}{lines or ' (it logged nothing)'}"
