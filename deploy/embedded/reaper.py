"""Ends what a killed supervisor leaves behind: `python -m deploy.embedded.reaper`.

The supervisor starts this helper first and feeds it over stdin. When stdin ends without `done`, the
supervisor is dead, however it died; then every session it had named ends, the temporary folders
go, and so does the helper. It holds the lock of the data folder until then, so that the next start
waits for it.

    watch PID STARTED SIGNAL     a service began
    forget PID STARTED           it ended, with all that it started
    remove PATH                  a temporary folder, to be removed at the end
    done                         an orderly stop: nothing to do
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from deploy.embedded.process import module_command, module_environ
from deploy.embedded.sessions import Identity, Session, end_all

# Short: whoever killed the supervisor does not wait, and what is killed here loses nothing.
GRACE_S = 10


class Reaper:
    """The supervisor's end of the pipe. A helper that died is started anew and told everything.

    Args:
        lock: file descriptor of the data folder's lock, to be held by the helper too.
    """

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._sessions: set[Session] = set()
        self._folders: set[Path] = set()
        self._popen = self._start()

    def watch(self, session: Session) -> None:
        """Has the session ended if we die."""
        self._sessions.add(session)
        self._tell(_watch(session))

    def forget(self, session: Session) -> None:
        """Says that nothing is left of the session."""
        self._sessions.discard(session)
        self._tell(f"forget {session.leader.pid} {session.leader.started}")

    def remove(self, folder: Path) -> None:
        """Has the folder removed if we die."""
        self._folders.add(folder)
        self._tell(f"remove {folder}")

    def check(self) -> None:
        """Starts the helper anew if it has died."""
        if self._popen.poll() is not None:
            self._popen = self._start()
            for line in (*map(_watch, self._sessions), *(f"remove {f}" for f in self._folders)):
                self._tell(line)

    def done(self) -> None:
        """Ends the helper, and waits for it, since it holds the lock."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._tell("done")
        self._pipe.close()
        self._popen.wait()

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):  # `check` starts it anew and repeats everything
            self._pipe.write(f"{line}\n".encode())

    @property
    def _pipe(self) -> IO[bytes]:
        return cast(IO[bytes], self._popen.stdin)

    def _start(self) -> subprocess.Popen[bytes]:
        # Its own output would hold a log pipe of ours open after our death.
        return subprocess.Popen(
            module_command("deploy.embedded.reaper"),
            env=module_environ(os.environ),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self._lock,),
        )


def _watch(session: Session) -> str:
    return f"watch {session.leader.pid} {session.leader.started} {int(session.stop_signal)}"


def reap(lines: Iterable[str], grace_s: float = GRACE_S) -> None:
    """Reads the protocol to its end and does what it says."""
    sessions: dict[tuple[str, str], Session] = {}
    folders: set[str] = set()
    for line in lines:
        match line.rstrip("\n").split(" ", 1):
            case ["watch", rest]:
                pid, started, stop_signal = rest.split()
                leader = Identity(int(pid), int(started))
                sessions[pid, started] = Session(leader, int(stop_signal))
            case ["forget", rest]:
                pid, started = rest.split()
                sessions.pop((pid, started), None)
            case ["remove", folder]:
                folders.add(folder)
            case ["done"]:
                return
    end_all(sessions.values(), within_s=grace_s)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    # Whoever ends the supervisor by a signal to everything must not end this.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reap(sys.stdin)
