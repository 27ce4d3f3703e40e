"""WORKER_PROCESSES processes of one worker, forked once everything is imported.

They share the memory of what they have imported, which is most of it. Their parent becomes a small
program that keeps them (`keeper.py`).
"""

import gc
import os
import signal
import sys
import threading
from typing import NoReturn

import structlog

from tasks.worker import keeper
from tasks.worker.keeper import ENDED, NUMBER, READING, STOPS

log = structlog.get_logger(__name__)


def fork_processes(count: int) -> int:
    """Fork so many processes, and return in each of them, with its number from 0. Only one is this
    process itself; of several, the parent does not return.

    A process that replaces another returns its number.
    """
    number = os.environ.get(NUMBER)
    if number is not None:
        _begin_replacement()
        return int(number)
    if count == 1:
        return 0
    gc.collect()
    gc.freeze()  # a collection in one process would copy what all of them share
    return _fork(count)


def _become_keeper(reading: int, writing: int, numbers: dict[int, int]) -> NoReturn:
    for end in (reading, writing):
        os.set_inheritable(end, True)
    pairs = ",".join(f"{pid}:{number}" for pid, number in numbers.items())
    # Isolated, and without the site's packages: 4 MB.
    program = [sys.executable, "-I", "-S", keeper.__file__, str(reading), str(writing), pairs]
    os.execv(sys.executable, [*program, sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- our own program


def _fork(count: int) -> int:
    reading, writing = os.pipe()
    numbers: dict[int, int] = {}
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until there is somebody to pass them on
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            _begin_child(number, reading)
            return number
        numbers[pid] = number
    _become_keeper(reading, writing, numbers)


def _begin_child(number: int, reading: int) -> None:
    for stop in STOPS:
        signal.signal(stop, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    os.environ[NUMBER] = str(number)  # SIGHUP lets Celery execute the program again
    _end_with_parent(reading)


def _begin_replacement() -> None:
    """Take over from a process that has ended, unless Celery has executed this one again."""
    if READING in os.environ:
        os.set_inheritable(reading := int(os.environ.pop(READING)), False)
        _end_with_parent(reading)
        pid, status = os.environ.pop(ENDED).split(":")
        log.warning("worker process ended", pid=int(pid), status=int(status))


def _end_with_parent(reading: int) -> None:
    def wait() -> None:
        os.read(reading, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
