"""Starts Python processes in tenths of a second: it forks one that has imported what they need."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
FORK_SERVER = Path(__file__).with_name("forkserver.py")


class Fork:
    """A process of a `ForkServer`; like a `subprocess.Popen`."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self._server = server
        self.pid = pid

    def poll(self) -> int | None:
        """Its exit status, or the negative number of the signal that ended it; None if it runs."""
        return self._server.ended.get(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended.

        Raises:
            subprocess.TimeoutExpired: it runs after `timeout` seconds.
        """
        ended = self._server.ended
        with self._server.changed:
            if not self._server.changed.wait_for(lambda: self.pid in ended, timeout):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return ended[self.pid]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """A process that has imported these modules, and forks others."""

    def __init__(self, modules: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self.ended: dict[int, int] = {}
        self.changed = threading.Condition()
        self._forked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(FORK_SERVER), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=dict(environ),
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, name="fork server", daemon=True).start()

    def wait_until_ready(self) -> None:
        """Wait until it has imported the modules."""
        assert self._ready.wait(60)

    def fork(
        self,
        argv: list[str],
        environ: Mapping[str, str],
        log: Path,
        out: Path | None = None,
        namespaces: Sequence[str] = (),
    ) -> Fork:
        """Start `python -m MODULE ...`. Its output goes to the end of `log`, except that its
        standard output goes to `out` if that is given. First it enters the namespaces, such as
        `/proc/1/ns/net`, one after the other."""
        order = {
            "argv": argv,
            "environ": dict(environ),
            "log": str(log),
            "out": str(out or log),
            "cwd": str(ROOT),
            "namespaces": list(namespaces),
        }
        log.touch()  # it can be read from now on
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return Fork(self, self._forked.get(timeout=60))

    def run(
        self, argv: list[str], environ: Mapping[str, str], folder: Path
    ) -> "subprocess.CompletedProcess[str]":
        """Run `python -m MODULE ...` to its end; what it writes is kept in the folder."""
        log, out = folder / "log", folder / "out"
        for file in (log, out):
            file.unlink(missing_ok=True)
        status = self.fork(argv, environ, log, out).wait(60)
        return subprocess.CompletedProcess(argv, status, out.read_text(), log.read_text())

    def close(self) -> None:
        """Kill it and all its remaining children."""
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._hear(*line.split())

    def _hear(self, what: str, *numbers: str) -> None:
        if what == "ready":
            self._ready.set()
        elif what == "forked":
            self._forked.put(int(numbers[0]))
        else:
            with self.changed:
                self.ended[int(numbers[0])] = int(numbers[1])
                self.changed.notify_all()
