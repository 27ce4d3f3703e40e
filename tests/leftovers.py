"""Ends what a killed run of the tests leaves behind: `python leftovers.py MARK`.

Everything that a process of the run starts inherits the mark in its environment. The helper reads a
pipe that ends with that process, however it ends; then whatever still has the mark is asked to end,
and killed if it does not.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "STARTED_BY_TESTS"
# A stack stops within 28 s; what its reaper has to end takes 15 s more.
END_WITHIN_S = 45
_POLL_S = 0.1

_helpers: list["subprocess.Popen[bytes]"] = []  # keeps the pipe open


def watch() -> None:
    """Have what this process starts from now on end with it."""
    os.environ[VARIABLE] = mark = f"{os.getpid()}-{secrets.token_hex(8)}"
    _helpers.append(
        subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, mark],
            env={},  # neither this mark nor that of the process that started this one
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )


def _end_all(mark: str) -> None:
    deadline = time.monotonic() + END_WITHIN_S
    asked: set[int] = set()
    while (left := _marked(mark)) and time.monotonic() < deadline:
        _send(left - asked, signal.SIGTERM)
        asked |= left
        time.sleep(_POLL_S)
    _send(left, signal.SIGKILL)


def _marked(mark: str) -> set[int]:
    wanted = f"{VARIABLE}={mark}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
    return found


def _send(pids: set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


if __name__ == "__main__":
    sys.stdin.read()
    _end_all(sys.argv[1])
