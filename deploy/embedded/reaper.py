"""The helper that stops what a killed supervisor leaves: `python -m deploy.embedded.reaper`.

The supervisor starts this helper first and writes to its stdin. If stdin closes without `done`, the
supervisor is dead, for whatever reason; the helper then stops every session that it was given,
removes the temporary folders and exits. Until then it keeps the lock of the data folder, so that
the next start waits for it.

    watch PID STARTED SIGNAL     a service started
    forget PID STARTED           it ended, with all its descendants
    remove PATH                  remove this temporary folder at the end
    done                         the supervisor stopped normally: nothing to do
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

# Short: nothing waits for a graceful end, and a killed service loses nothing.
GRACE_S = 10


class Reaper:
    """The supervisor's end of the pipe. A helper that died is restarted and given everything again.

    Args:
        lock: file descriptor of the data folder's lock, which the helper inherits.
    """

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._sessions: set[Session] = set()
        self._folders: set[Path] = set()
        self._popen = self._start()

    def watch(self, session: Session) -> None:
        """Have the session stopped if this process dies."""
        self._sessions.add(session)
        self._send(_watch(session))

    def forget(self, session: Session) -> None:
        """Report that the session has ended."""
        self._sessions.discard(session)
        self._send(f"forget {session.leader.pid} {session.leader.started}")

    def remove(self, folder: Path) -> None:
        """Have the folder removed if this process dies."""
        self._folders.add(folder)
        self._send(f"remove {folder}")

    def check(self) -> None:
        """Restart the helper if it has died."""
        if self._popen.poll() is not None:
            self._popen = self._start()
            for line in (*map(_watch, self._sessions), *(f"remove {f}" for f in self._folders)):
                self._send(line)

    def done(self) -> None:
        """Stop the helper, and wait for it, since it has the lock."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._send("done")
        self._pipe.close()
        self._popen.wait()

    def _send(self, line: str) -> None:
        with suppress(BrokenPipeError):  # `check` restarts it and repeats everything
            self._pipe.write(f"{line}\n".encode())

    @property
    def _pipe(self) -> IO[bytes]:
        return cast(IO[bytes], self._popen.stdin)

    def _start(self) -> subprocess.Popen[bytes]:
        # If it inherited stdout, it would keep a log pipe open after this process died.
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
    """Read the protocol to its end, then clean up unless it said `done`."""
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
    # A signal to the supervisor's whole process group must not stop the helper.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reap(sys.stdin)
