"""What the supervisor is told about a service."""

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
    """A process to run, and when it may start, is ready, and has to be gone.

    Attributes:
        name: shown before each of its log lines.
        command: program and arguments, or what gives them, called before each start.
        environ: the whole environment of the process.
        ready: asked again and again after the start; must answer within about 2 s, and say False
            rather than raise.
        needs: names of services that have to be healthy (or done) before it starts; they are
            stopped after it.
        stop_signal: asks it to end.
        stop_grace_s: seconds it then has, until its whole session is killed.
        ready_within_s: seconds from its start until it has to be ready.
        once: it has to end with 0 (a migration); then it is done and what needs it may start.
        user, cwd: whom it runs as, and where.
        url: shown by `trimind status`; without passwords.
        scratch: a temporary folder of its own, removed after the stop.
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
        """The command of this start."""
        return self.command() if callable(self.command) else self.command
