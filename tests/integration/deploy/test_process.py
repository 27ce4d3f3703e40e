import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.process import Process
from deploy.embedded.reaper import reap
from deploy.embedded.sessions import Identity, Session, end_all

Start = Callable[..., Process]
# Two children that ignore the stop signal: one in the session, one in a session of its own.
CHILDREN = "trap '' TERM; sleep 1000 & setsid sleep 1001 & trap - TERM; echo here; wait"
STUBBORN = "trap '' TERM; echo here; while true; do sleep 1; done"


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Process] = []

    def shell(script: str, **options: Any) -> Process:
        lines: list[str] = []
        process = Process(
            ("/bin/sh", "-c", script), environ=os.environ, on_line=lines.append, **options
        )
        started.append(process)
        return process

    yield shell
    for process in started:
        process.stop(deadline_s=0)


def test_a_child_leads_a_session_of_its_own(start: Start) -> None:
    process = start("sleep 1000")

    assert os.getsid(process.identity.pid) == process.identity.pid


def test_a_child_hears_the_signals_that_we_ignore(start: Start, wait_until: Callable) -> None:
    # Python ignores SIGPIPE, and what is ignored is inherited.
    process = start("kill -PIPE $$; sleep 1000")

    wait_until(lambda: process.exit_code() is not None)

    assert process.exit_code() == -signal.SIGPIPE


def test_output_comes_by_lines_and_long_ones_are_cut(start: Start, wait_until: Callable) -> None:
    process = start("echo one; echo two >&2; head -c 40000 /dev/zero | tr '\\0' x")

    wait_until(lambda: process.exit_code() == 0)

    assert process.last_lines()[:2] == ("one", "two")
    assert [len(line) for line in process.last_lines()[2:]] == [16384, 16384, 7232]


def test_a_missing_program_is_named(start: Start, wait_until: Callable) -> None:
    process = Process(("/no/such/program",), environ={}, on_line=lambda line: None)

    wait_until(lambda: process.exit_code() is not None)

    assert process.last_lines() == ("cannot start /no/such/program: No such file or directory",)


def test_a_stop_takes_the_children_that_outlive_their_parent(
    start: Start, wait_until: Callable
) -> None:
    process = start(CHILDREN)
    wait_until(lambda: len(process.session.members()) == 3)
    members = [Identity.of(pid) for pid in process.session.members()]

    process.stop(deadline_s=0)

    assert not any(member.alive() for member in members)


def test_a_stop_kills_what_does_not_listen(start: Start, wait_until: Callable) -> None:
    process = start(STUBBORN)
    wait_until(lambda: process.last_lines() == ("here",))

    process.stop(deadline_s=0.1)

    assert process.exit_code() == -signal.SIGKILL


def test_a_reused_process_id_is_not_ours(start: Start) -> None:
    process = start("sleep 1000")
    earlier = Identity(process.identity.pid, process.identity.started - 1)

    assert not earlier.alive()
    assert end_all([Session(earlier)], within_s=5)
    assert process.identity.alive()


def test_the_reaper_kills_whole_families_and_removes_folders(
    start: Start, tmp_path: Path, wait_until: Callable
) -> None:
    family, forgotten, stubborn = start(CHILDREN), start("sleep 1000"), start(STUBBORN)
    wait_until(lambda: len(family.session.members()) == 3)
    wait_until(lambda: stubborn.last_lines() == ("here",))
    members = [Identity.of(pid) for pid in family.session.members()]
    folder = tmp_path / "sockets"
    folder.mkdir()

    reap(
        [
            *(f"watch {p.identity.pid} {p.identity.started} 15\n" for p in (family, forgotten)),
            f"watch {stubborn.identity.pid} {stubborn.identity.started} 15\n",
            f"forget {forgotten.identity.pid} {forgotten.identity.started}\n",
            f"remove {folder}\n",
        ],
        grace_s=0.2,
    )

    assert not any(member.alive() for member in (*members, stubborn.identity))
    assert forgotten.identity.alive()
    assert not folder.exists()


def test_the_reaper_does_nothing_after_an_orderly_stop(start: Start) -> None:
    process = start("sleep 1000")

    reap([f"watch {process.identity.pid} {process.identity.started} 15\n", "done\n"])

    assert process.identity.alive()
