"""Forked processes of a worker live and end with their parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

Until = Callable[..., None]

ROOT = Path(__file__).resolve().parents[3]
WITHIN_S = 20
# Writes the id of each process to a file named after its number, and waits for a signal.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from tasks.worker.processes import fork_processes

number = fork_processes(int(sys.argv[1]))
written = Path(f"{number}.new")
written.write_text(str(os.getpid()))
written.rename(str(number))
signal.pause()
"""


class Parent:
    """A program that forks, in a folder of its own."""

    def __init__(self, count: int, folder: Path) -> None:
        self._folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(count)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=(folder / "log").open("wb"),
            start_new_session=True,
        )

    @property
    def log(self) -> str:
        """What its processes have logged so far."""
        return (self._folder / "log").read_text()

    def pid(self, number: int) -> int | None:
        """The id of the process of this number, if it has begun."""
        with suppress(FileNotFoundError):
            return int((self._folder / str(number)).read_text())
        return None

    def all_ended(self) -> bool:
        """Whether no process of its session is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


def resident(pid: int | None) -> int:
    """The bytes of memory of a process."""
    return psutil.Process(pid).memory_info().rss


@pytest.fixture
def parent(tmp_path: Path, until: Until) -> Iterator[Parent]:
    """A parent whose three processes have begun."""
    made = Parent(3, tmp_path)
    until(lambda: all(made.pid(number) for number in range(3)), WITHIN_S)
    yield made
    with suppress(ProcessLookupError):
        os.killpg(made.process.pid, signal.SIGKILL)
    made.process.wait(WITHIN_S)


def test_only_one_process_is_not_forked(tmp_path: Path, until: Until) -> None:
    alone = Parent(1, tmp_path)
    until(lambda: alone.pid(0), WITHIN_S)
    assert alone.pid(0) == alone.process.pid
    alone.process.terminate()
    assert alone.process.wait(WITHIN_S) == -signal.SIGTERM


def test_a_process_that_ends_is_replaced_under_its_number(parent: Parent, until: Until) -> None:
    before = [parent.pid(number) for number in range(3)]
    assert before[1] is not None
    os.kill(before[1], signal.SIGKILL)
    until(lambda: parent.pid(1) != before[1], WITHIN_S)
    assert [parent.pid(0), parent.pid(2)] == [before[0], before[2]]
    assert parent.process.poll() is None
    assert f"pid={before[1]} status=-9" in parent.log


def test_a_process_that_replaced_another_is_replaced_and_stopped_as_well(
    parent: Parent, until: Until
) -> None:
    for _ in range(2):
        before = parent.pid(2)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        until(lambda before=before: parent.pid(2) != before, WITHIN_S)
    parent.process.terminate()
    assert parent.process.wait(WITHIN_S) == 0
    assert parent.all_ended()


def test_a_process_that_replaced_another_ends_when_the_parent_is_killed(
    parent: Parent, until: Until
) -> None:
    before = parent.pid(0)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    until(lambda: parent.pid(0) != before, WITHIN_S)
    parent.process.kill()
    parent.process.wait(WITHIN_S)
    until(parent.all_ended, WITHIN_S)


def test_the_parent_keeps_nothing_of_what_its_processes_have_imported(parent: Parent) -> None:
    assert b"keeper.py" in Path(f"/proc/{parent.process.pid}/cmdline").read_bytes()
    assert resident(parent.process.pid) < resident(parent.pid(1)) / 2


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_to_the_parent_ends_them_all(parent: Parent, stop: signal.Signals) -> None:
    parent.process.send_signal(stop)
    assert parent.process.wait(WITHIN_S) == 0
    assert parent.all_ended()


def test_they_end_when_the_parent_is_killed(parent: Parent, until: Until) -> None:
    parent.process.kill()
    parent.process.wait(WITHIN_S)
    until(parent.all_ended, WITHIN_S)
