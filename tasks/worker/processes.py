"""WORKER_PROCESSES processes of one worker, forked once everything is imported.

They share the memory of what they have imported, which is most of it. The parent runs nothing: it
replaces a process that ends, and passes on the signal to stop.
"""

import gc
import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any, Final

import structlog

RESTART_AFTER_S: Final = 1.0
STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

log = structlog.get_logger(__name__)


def fork_processes(count: int) -> int:
    """Fork so many processes, and return in each of them, with its number from 0. Only one is this
    process itself.

    Raises:
        SystemExit: in the parent, when all of them have been stopped.
    """
    if count == 1:
        return 0
    gc.collect()
    gc.freeze()  # a collection in one process would copy what all of them share
    return _Parent().keep(count)


class _Parent:
    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}  # by process id
        self._stopping = False
        # Only the parent has the writing end: when it dies, its children read the end of the file.
        self._reading, self._writing = os.pipe()

    def keep(self, count: int) -> int:
        """Keep so many processes until they are stopped; returns in each of them."""
        for stop in STOPS:
            signal.signal(stop, self._stop)
        for number in range(count):
            if self._fork(number):
                return number
        while self._numbers:
            pid, status = os.wait()
            number = self._numbers.pop(pid)
            if self._stopping:
                continue
            log.warning("worker process ended", pid=pid, status=os.waitstatus_to_exitcode(status))
            time.sleep(RESTART_AFTER_S)
            if self._fork(number):
                return number
        raise SystemExit(0)

    def _fork(self, number: int) -> bool:
        """Fork a process, unless all are being stopped. Whether this is that process."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until its id is known
        try:
            if self._stopping:
                return False
            pid = os.fork()
            if pid == 0:
                self._begin_child()
                return True
            self._numbers[pid] = number
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def _begin_child(self) -> None:
        for stop in STOPS:
            signal.signal(stop, signal.SIG_DFL)
        os.environ["WORKER_PROCESSES"] = "1"  # SIGHUP lets Celery execute the program again
        os.close(self._writing)
        threading.Thread(target=self._end_with_parent, name="parent", daemon=True).start()

    def _end_with_parent(self) -> None:
        os.read(self._reading, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self, number: int, _: Any) -> None:
        self._stopping = True
        # A terminal sends SIGINT to the children too, and a second one would end them at once.
        passed_on = signal.SIGTERM if number == signal.SIGINT else number
        for pid in self._numbers:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, passed_on)
