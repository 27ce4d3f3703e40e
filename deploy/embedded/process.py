"""A child process in its own session, which dies with this process."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from deploy.embedded.launch import KEEP_USER
from deploy.embedded.sessions import Identity, Session, end_all

TAIL_LINES = 20
MAX_LINE_BYTES = 16_384

_LAUNCHER = Path(__file__).with_name("launch.py")
_ROOT = Path(__file__).resolve().parents[2]

# The kernel sends PDEATHSIG when the *thread* that forked ends, so one thread, which lives as long
# as the interpreter, forks all children.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawn")


@dataclass(frozen=True)
class User:
    """The system user that a child runs as, by id."""

    uid: int
    gid: int


def module_command(name: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of this package; see `module_environ` for its path."""
    return (sys.executable, "-m", name, *arguments)


def module_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with this package importable, even from a checkout."""
    path = environ.get("PYTHONPATH")
    return {**environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{path}" if path else str(_ROOT)}


class Process:
    """A running child. A thread passes its output, line by line, to `on_line`.

    Args:
        command: program and arguments, looked up on the PATH; no shell.
        environ: the child's whole environment.
        stop_signal: the signal that stops it; the kernel sends the same when this process dies.
        on_line: called with each line of stdout and stderr, cut at 16 KiB, without its line end.
        user: the user to run as; requires root.
        cwd: its working directory, which that user must be able to enter.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        on_line: Callable[[str], None],
        stop_signal: int = signal.SIGTERM,
        user: User | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._on_line = on_line
        launch = _launch(command, stop_signal, user)
        self._popen = _spawner.submit(_spawn, launch, environ, cwd).result()
        self.session = Session(Identity.of(self._popen.pid), stop_signal)
        output = cast(IO[bytes], self._popen.stdout)
        self._family: set[Identity] = set()
        self._reader = threading.Thread(target=self._read, args=(output,), name="log", daemon=True)
        self._reader.start()

    @property
    def identity(self) -> Identity:
        """Its process id and start time."""
        return self.session.leader

    def exit_code(self) -> int | None:
        """The exit code; None while it runs, negative if a signal killed it."""
        return self._popen.poll()

    def last_lines(self) -> tuple[str, ...]:
        """The last 20 lines that it logged; if it is dead, waits up to 1 s for them."""
        if self.exit_code() is not None:
            self._reader.join(timeout=1)
        return tuple(self._tail)

    def ask_to_end(self) -> None:
        """Send the stop signal without waiting."""
        if self.exit_code() is None:
            self._family = self.session.family()
            self.session.ask_to_end()

    def kill(self) -> None:
        """Send SIGKILL to the whole session without waiting."""
        self.session.kill()

    def gone(self) -> bool:
        """Whether it and all its descendants have ended; once it is dead, kills the rest."""
        if self.exit_code() is None:
            return False
        self.session.kill()
        for member in self._family:
            if member.alive():
                Session(member).kill()
        return not self.session.members() and not any(one.alive() for one in self._family)

    def stop(self, deadline_s: float) -> None:
        """Send the stop signal, kill the session after `deadline_s` seconds, and wait for it."""
        end_all([self.session], within_s=deadline_s)
        self._popen.wait()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(MAX_LINE_BYTES):
                text = line.decode(errors="replace").rstrip("\r\n")
                self._tail.append(text)
                self._on_line(text)


def _launch(command: Sequence[str], stop_signal: int, user: User | None) -> list[str]:
    ids = (user.uid, user.gid) if user else (KEEP_USER, KEEP_USER)
    numbers = (os.getpid(), int(stop_signal), *ids)
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, numbers), *command]


def _spawn(
    command: list[str], environ: Mapping[str, str], cwd: Path | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
