"""An interrupted test run with several processes ends and leaves nothing running."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.embedded.sessions import Identity
from tests import leftovers
from tests.ending import END_WITHIN_S

ROOT = Path(__file__).resolve().parents[3]
INTERRUPTED = 2

Start = Callable[..., "subprocess.Popen[bytes]"]
Middle = Callable[[], list[dict[str, int]]]
Until = Callable[..., None]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start()`: a run with two processes, optionally ignoring SIGHUP, as under `nohup`."""
    # Two files, so that either process has one.
    for name in ("test_one.py", "test_other.py"):
        shutil.copy(Path(__file__).with_name("shared.py"), tmp_path / name)
    plain = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "RUN_FOLDER": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-p", "tests.conftest"]
    command += ["-c", str(ROOT / "setup.cfg"), "-p", "no:cacheprovider", "-n", "2", str(tmp_path)]
    started: list[subprocess.Popen[bytes]] = []

    def do(*before: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / "log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [*before, *command],
                    cwd=ROOT,
                    env=os.environ | plain,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        return started[-1]

    yield do
    for run in started:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


@pytest.fixture
def middle(tmp_path: Path, until: Until) -> Middle:
    """`middle()`: wait until both processes are in the middle of a test; their output."""

    def wait() -> list[dict[str, int]]:
        until(lambda: len(list(tmp_path.glob("*.json"))) == 2)
        return [json.loads(file.read_text()) for file in tmp_path.glob("*.json")]

    return wait


def alive(doing: list[dict[str, int]], *who: str) -> set[Identity]:
    return {Identity.of(one[name]) for one in doing for name in who or ("me", "server")}


def test_a_signal_to_the_run_alone_ends_it_and_leaves_nothing(
    start: Start, middle: Middle, tmp_path: Path
) -> None:
    run = start()
    family = alive(middle())

    run.send_signal(signal.SIGTERM)

    assert run.wait(END_WITHIN_S + 30) == INTERRUPTED
    assert not any(one.alive() for one in family)
    assert list(tmp_path.glob("home-*")) == []


def test_ctrl_c_again_and_again_ends_it_and_leaves_nothing(
    start: Start, middle: Middle, tmp_path: Path, until: Until
) -> None:
    run = start()
    family = alive(middle())

    # A terminal sends it to the whole group.
    os.killpg(run.pid, signal.SIGINT)
    until(lambda: len(list(tmp_path.glob("*.ending"))) == 2)
    os.killpg(run.pid, signal.SIGINT)

    until(lambda: not any(one.alive() for one in family))
    assert run.wait(END_WITHIN_S + 30) == INTERRUPTED
    assert list(tmp_path.glob("home-*")) == []


def test_under_nohup_it_outlives_its_terminal_and_its_servers_ignore_nothing(
    start: Start, middle: Middle, tmp_path: Path
) -> None:
    run = start("nohup")
    doing = middle()
    family = alive(doing)
    assert [one["ignored"] & 1 << signal.SIGHUP - 1 for one in doing] == [0, 0]

    os.killpg(run.pid, signal.SIGHUP)
    os.killpg(run.pid, signal.SIGTERM)

    assert run.wait(END_WITHIN_S + 30) == INTERRUPTED
    assert not any(one.alive() for one in family)
    assert list(tmp_path.glob("home-*")) == []


def test_a_run_that_is_killed_leaves_no_process(start: Start, middle: Middle, until: Until) -> None:
    run = start()
    family = alive(middle(), "me", "server", "child")

    run.kill()

    until(lambda: not any(one.alive() for one in family), leftovers.END_WITHIN_S + 10)


def test_a_process_of_a_run_that_is_killed_leaves_none(
    start: Start, middle: Middle, until: Until
) -> None:
    start()
    one, _ = middle()
    family = alive([one], "server", "child")

    os.kill(one["me"], signal.SIGKILL)

    until(lambda: not any(one.alive() for one in family), leftovers.END_WITHIN_S + 10)


def test_a_run_ends_with_the_make_that_started_it(
    start: Start, middle: Middle, until: Until, tmp_path: Path
) -> None:
    # As `make` runs it: the run is the child of what is killed.
    make = "import subprocess, sys; subprocess.run([*sys.argv[1:], '--with-parent'])"
    run = start(sys.executable, "-c", make)
    family = alive(middle(), "me", "server", "child")

    run.kill()

    until(lambda: not any(one.alive() for one in family), END_WITHIN_S + 30)
    until(lambda: list(tmp_path.glob("home-*")) == [])
