"""The parent of a worker's forked processes: replaces one that ends, and passes on signals to stop.

`processes.py` executes it as a program once it has forked them: a parent that had stayed as it was
would keep its own copy of every page that all of its children have changed, 45 MB. So this imports
nothing of the worker, and replaces a process by executing the worker's program again.

    python keeper.py READING WRITING PID:NUMBER,PID:NUMBER,... COMMAND...
"""

import os
import signal
import sys
import time
from typing import Any, Final, NoReturn

# Of a process that replaces another: its number, a pipe that ends with the parent, and the id and
# the exit status of the process before it.
NUMBER: Final = "TRIMIND_FORK_NUMBER"
READING: Final = "TRIMIND_FORK_PARENT"
ENDED: Final = "TRIMIND_FORK_ENDED"

RESTART_AFTER_S: Final = 1.0
STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Keeper:
    """Keeps the processes with these numbers.

    Args:
        reading: the end of a pipe that each process reads, and nobody writes to.
        numbers: of each process, by its id.
        command: executes the worker's program.
    """

    def __init__(self, reading: int, numbers: dict[int, int], command: list[str]) -> None:
        self._reading, self._numbers, self._command = reading, numbers, command
        self._stopping = False

    def keep(self) -> None:
        """Keep the processes until they are stopped, and have ended."""
        for stop in STOPS:
            signal.signal(stop, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # blocked since before the first fork
        while self._numbers:
            pid, status = os.wait()
            number = self._numbers.pop(pid, None)
            if number is None or self._stopping:  # None: an orphan, if this is the container's init
                continue
            time.sleep(RESTART_AFTER_S)
            self._replace(number, f"{pid}:{os.waitstatus_to_exitcode(status)}")

    def _replace(self, number: int, ended: str) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until its id is known
        try:
            if self._stopping:
                return
            pid = os.fork()
            if pid == 0:
                self._execute({NUMBER: str(number), READING: str(self._reading), ENDED: ended})
            self._numbers[pid] = number
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def _execute(self, variables: dict[str, str]) -> NoReturn:
        try:
            for stop in STOPS:
                signal.signal(stop, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            os.execve(self._command[0], self._command, os.environ | variables)  # noqa: S606 -- no shell needed
        finally:
            os._exit(1)  # it has not become the worker, and must not go on as its parent

    def _stop(self, number: int, _: Any) -> None:
        self._stopping = True
        # A terminal sends SIGINT to the children too, and a second one would end them at once.
        passed_on = signal.SIGTERM if number == signal.SIGINT else number
        for pid in self._numbers:
            try:
                os.kill(pid, passed_on)
            except ProcessLookupError:  # it has just ended
                continue


def main(reading: str, writing: str, numbers: str, *command: str) -> None:
    """Keep processes, as the command line says."""
    # Only this process has the writing end: when it dies, the others read the end of the file.
    os.set_inheritable(int(writing), False)
    pairs = (each.split(":") for each in numbers.split(","))
    Keeper(int(reading), {int(pid): int(number) for pid, number in pairs}, list(command)).keep()


if __name__ == "__main__":
    main(*sys.argv[1:])
