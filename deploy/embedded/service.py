"""The description of a service for the supervisor."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deploy.embedded.process import User

Command = Sequence[str] | Callable[[], Sequence[str]]
State = Literal[
    "waiting", "starting", "healthy", "restarting", "stopping", "stopped", "done", "dead"
]


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Service:
    """A process to run: when it may start, when it is ready, and how it is stopped.

    Attributes:
        name: the prefix of its log lines.
        command: program and arguments, or a callable that returns them before each start.
        environ: the whole environment of the process.
        ready: polled after the start; must return within about 2 s, and return False
            rather than raise.
        needs: names of services that must be healthy (or done) before it starts; they are
            stopped after it.
        stop_signal: the signal that stops it.
        stop_grace_s: seconds after that signal until its whole session is killed.
        ready_within_s: seconds from its start until it must be ready.
        once: it must exit with 0 (a migration); then it is done, and services that need it start.
        user, cwd: the user that it runs as, and its working directory.
        url: shown by `trimind status`; without passwords.
        scratch: its temporary folder, removed after the stop.
    """

    name: str
    command: Command
    environ: Mapping[str, str] = field(repr=False)
    ready: Callable[[], bool] = _always
    needs: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 20
    ready_within_s: float = 60
    once: bool = False
    user: User | None = None
    cwd: Path | None = None
    url: str | None = None
    scratch: Path | None = None

    def arguments(self) -> Sequence[str]:
        """The command for this start."""
        return self.command() if callable(self.command) else self.command
