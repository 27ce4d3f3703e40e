import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.embedded.errors import ServiceFailedError
from deploy.embedded.service import Service
from deploy.embedded.sessions import Identity, Session
from deploy.embedded.status import read_services
from deploy.embedded.supervisor import Supervisor

Log = list[tuple[str, str]]
WaitUntil = Callable[..., None]


@pytest.fixture
def log() -> Log:
    return []


@pytest.fixture
def supervisor(home: Path, log: Log) -> Iterator[Supervisor]:
    with Supervisor(home, lambda name, line: log.append((name, line))) as supervisor:
        yield supervisor


def shell(name: str, script: str, **options: object) -> Service:
    return Service(name, ("/bin/sh", "-c", script), environ=os.environ, **options)  # type: ignore[arg-type]


def pids(home: Path) -> list[int]:
    return [status.pid for status in read_services(home) if status.pid is not None]


def families(home: Path) -> list[Identity]:
    sessions = [status.session() for status in read_services(home)]
    return [member for session in sessions if session for member in session.family()]


def healthy(home: Path, *names: str) -> bool:
    found = {status.name for status in read_services(home) if status.state == "healthy"}
    return found == set(names)


def test_a_service_starts_only_when_what_it_needs_is_healthy(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    # Given a service that is ready 0.3 s after its start, and a migration that needs it
    ready, migrated = tmp_path / "ready", tmp_path / "migrated"
    slow = shell("slow", f"sleep 0.3; touch {ready}; sleep 1000", ready=ready.exists)
    once = shell("once", f"test -e {ready} && touch {migrated}", once=True, needs=("slow",))
    web = shell("web", f"test -e {migrated} && sleep 1000", needs=("slow", "once"))

    # When they are started in the wrong order, then each found what it needs
    supervisor.start([web, once, slow])

    states = {status.name: status.state for status in read_services(supervisor.home)}
    assert states == {"web": "healthy", "once": "done", "slow": "healthy"}


def test_independent_services_start_side_by_side(supervisor: Supervisor, tmp_path: Path) -> None:
    # Given two services of which each is ready only when the other one runs
    one, other = tmp_path / "one", tmp_path / "other"
    supervisor.start(
        [
            shell("one", f"touch {one}; sleep 1000", ready=other.exists),
            shell("other", f"touch {other}; sleep 1000", ready=one.exists),
        ]
    )


def test_a_service_that_ends_before_it_is_ready_fails_at_once_with_its_last_lines(
    supervisor: Supervisor,
) -> None:
    broken = shell("broken", "echo no such table; exit 3", ready=lambda: False)

    with pytest.raises(ServiceFailedError) as caught:
        supervisor.start([broken])

    assert str(caught.value) == (
        "broken exited with code 3 before it was ready\n  broken | no such table"
    )


def test_a_service_that_never_becomes_ready_fails_with_its_last_lines(
    supervisor: Supervisor,
) -> None:
    stuck = shell("stuck", "echo trying; sleep 1000", ready=lambda: False, ready_within_s=0.4)

    with pytest.raises(ServiceFailedError, match=r"not ready within 0\.4 s\n  stuck \| trying"):
        supervisor.start([stuck])


@pytest.mark.parametrize("needs", [("nobody",), ("one",)])
def test_needs_that_cannot_be_met_are_refused(
    supervisor: Supervisor, needs: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="unknown or circular"):
        supervisor.start([shell("one", "sleep 1000", needs=needs)])


def test_a_service_that_dies_is_started_again(
    supervisor: Supervisor, log: Log, wait_until: WaitUntil
) -> None:
    supervisor.start([shell("web", "sleep 1000")])
    first = supervisor.pid("web")
    assert first is not None

    os.kill(first, signal.SIGKILL)
    supervisor.start([shell("later", "sleep 1000")])  # looks after the others meanwhile
    wait_until(lambda: (supervisor.poll(), supervisor.pid("web") not in (None, first))[1])

    assert ("trimind", "web was killed by signal 9; restarting in 0.25 s") in log


def test_a_service_that_dies_again_and_again_is_given_up(
    supervisor: Supervisor, log: Log, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    dying = shell("dying", f"test -e {mark} && sleep 0.05; echo ouch; exit 1", ready=mark.exists)

    code = supervisor.main([dying])

    assert code == 1
    assert ("trimind", "dying exited with code 1: 5 crashes within 60 s, giving up") in log
    assert ("trimind", "  dying | ouch") in log


def test_services_end_before_what_they_need_and_stubborn_ones_are_killed(
    home: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    # Given a stubborn web that needs a database, which notes when it ends
    ended = tmp_path / "ended"
    listening = tmp_path / "listening"
    database = shell("database", f"trap 'date > {ended}; exit' TERM; while :; do sleep 0.05; done")
    web = shell(
        "web",
        f"trap 'test -e {ended} && touch {ended}.too-early' TERM; touch {listening};"
        " while :; do sleep 0.05; done",
        ready=listening.exists,
        needs=("database",),
        stop_grace_s=0.3,
    )

    with Supervisor(home, lambda name, line: None) as supervisor:
        supervisor.start([web, database])
        members = families(home)

    assert ended.exists()
    assert not Path(f"{ended}.too-early").exists()
    assert not any(member.alive() for member in members)


def test_others_can_read_what_runs_and_stale_numbers_are_dead(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    assert read_services(home) == []
    process = supervise("family")
    wait_until(lambda: healthy(home, "family"))

    process.kill()
    process.wait()

    wait_until(lambda: [status.state for status in read_services(home)] == ["dead"])
    assert (home / "run" / "services.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_good_order(
    home: Path, supervise: Callable, wait_until: WaitUntil, number: signal.Signals
) -> None:
    process = supervise("family")
    wait_until(lambda: healthy(home, "family") and len(families(home)) == 3)
    members = families(home)

    process.send_signal(number)
    process.wait(timeout=10)

    assert process.returncode == 0
    assert not any(member.alive() for member in members)
    assert [status.state for status in read_services(home)] == ["stopped"]


def test_a_second_ctrl_c_leaves_nothing_behind(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    process = supervise("stubborn")
    wait_until(lambda: healthy(home, "stubborn") and families(home))
    members = families(home)

    def interrupt_until_it_is_gone() -> bool:
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    started = time.monotonic()
    wait_until(interrupt_until_it_is_gone, within_s=10)

    assert time.monotonic() - started < 10  # the grace would be 20 s
    assert not any(member.alive() for member in members)


def test_a_killed_supervisor_leaves_nothing_behind_even_if_its_reaper_had_to_be_replaced(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    # Given a supervisor whose reaper was killed
    process = supervise("family")
    wait_until(lambda: healthy(home, "family") and len(families(home)) == 3)
    members = families(home)
    (reaper,) = reapers_of(process.pid)
    os.kill(reaper, signal.SIGKILL)
    wait_until(lambda: reapers_of(process.pid) not in ([], [reaper]))

    # When it is killed itself, then its services and their children end
    process.kill()
    process.wait()
    wait_until(lambda: not any(member.alive() for member in members))

    # And the next start waits for the helper and works
    second = supervise("family")
    wait_until(lambda: healthy(home, "family"))
    assert second.poll() is None


def test_what_a_killed_supervisor_and_its_killed_reaper_left_ends_at_the_next_start(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    process = supervise("family")
    wait_until(lambda: healthy(home, "family") and len(families(home)) == 3)
    members = families(home)
    for pid in (*reapers_of(process.pid), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()

    with Supervisor(home, lambda name, line: None):
        assert not any(member.alive() for member in members)


def test_a_second_start_is_refused_and_says_who_runs(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    first = supervise("family")
    wait_until(lambda: healthy(home, "family"))

    output, _ = supervise("family").communicate(timeout=20)

    assert f"already runs on TRIMIND_HOME={home} (process {first.pid})" in output
    assert first.poll() is None


def reapers_of(pid: int) -> list[int]:
    """The living reapers among a process's children."""
    found = []
    for child in Session(Identity.of(pid)).members():
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"deploy.embedded.reaper" in command:
            found.append(child)
    return found


def test_a_service_that_finds_the_disk_full_ends_in_one_line_that_says_what_to_do(
    supervisor: Supervisor,
) -> None:
    service = shell("postgres", "cat /proc/version > /dev/full", ready=lambda: False)

    with pytest.raises(ServiceFailedError) as failed:
        supervisor.start([service])

    [line] = str(failed.value).splitlines()
    assert line.startswith("postgres exited with code 1")
    assert "the disk is full: free space on the disk of TRIMIND_HOME" in line


def test_a_full_disk_is_reported_once(supervisor: Supervisor, log: Log) -> None:
    for _ in range(3):
        supervisor.poll_room(2**60)

    [(name, line)] = log
    assert name == "trimind"
    assert f"TRIMIND_HOME={supervisor.home} is on a disk with" in line


def test_a_disk_with_room_is_not_spoken_of(supervisor: Supervisor, log: Log) -> None:
    supervisor.poll_room(1)

    assert log == []
