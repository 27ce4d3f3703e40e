"""Breakers shared by a fleet: several processes, one Valkey."""

import signal
import time
from collections.abc import Callable

import pytest

from tasks.resilience.breaker import reset
from tasks.resilience.fleet import FRESH_S
from tasks.resilience.store import client, read

from .conftest import Breaker, Process

pytestmark = pytest.mark.usefixtures("environment")

Start = Callable[[int], list[Process]]
Until = Callable[..., None]
Due = Callable[[], bool]


def test_failures_of_all_processes_add_up(processes: Start, breaker: Breaker) -> None:
    first, second, third = processes(3)
    for process in (first, second, first):
        breaker.call(process, "fail")
    refused = breaker.call(third, "ok")["refused"]
    assert len(refused) == 1
    assert 50 < refused[0] <= 60


def test_failures_older_than_the_window_do_not_count(
    processes: Start, breaker: Breaker, until: Until
) -> None:
    breaker.set(window_s=1)
    [process] = processes(1)
    breaker.call(process, "fail", count=2)
    assert breaker.kept().failures == 2
    until(lambda: breaker.kept().failures == 0)
    breaker.call(process, "fail", count=2)
    assert breaker.kept().state == "closed"
    assert breaker.call(process, "ok")["made"] == 1


def test_failures_with_many_successes_between_them_do_not_open_it(
    processes: Start, breaker: Breaker
) -> None:
    [process] = processes(1)
    for _ in range(6):
        breaker.call(process, "fail")
        breaker.call(process, "ok", count=4)
    assert breaker.kept().state == "closed"


def test_of_sixty_callers_in_three_processes_one_makes_the_probe(
    processes: Start, breaker: Breaker, until: Until, is_due: Due
) -> None:
    breaker.set(reset_s=1)
    callers = processes(3)
    breaker.open(callers[0])
    for end in ("fail", "fail", "ok"):
        until(is_due)
        for process in callers:
            breaker.start(process, "hold", count=20)
        answers = [process.answer() for process in callers]
        assert sum(answer["made"] for answer in answers) == 1
        refused = [after for answer in answers for after in answer["refused"]]
        assert len(refused) == 59
        assert 0 < min(refused) <= max(refused) <= 1
        prober = next(p for p, a in zip(callers, answers, strict=True) if a["made"])
        breaker.release(prober, end)
        assert breaker.kept().state == ("closed" if end == "ok" else "open")
    assert breaker.kept().opens == 3


def test_the_probe_that_goes_well_closes_it_for_everybody_within_seconds(
    processes: Start, breaker: Breaker, until: Until, is_due: Due
) -> None:
    breaker.set(reset_s=2)
    first, second = processes(2)
    breaker.open(first)
    assert breaker.call(second, "ok", count=5)["made"] == 0
    until(is_due)
    assert breaker.call(first, "ok")["made"] == 1
    until(lambda: breaker.call(second, "ok", count=5)["made"] == 5, 3)


def test_a_failed_probe_opens_it_for_another_while(
    processes: Start, breaker: Breaker, until: Until, is_due: Due
) -> None:
    breaker.set(reset_s=2)
    [process] = processes(1)
    breaker.open(process)
    until(is_due)
    assert breaker.call(process, "fail")["made"] == 1
    assert breaker.kept().state == "open"
    assert 0 < breaker.call(process, "ok")["refused"][0] <= 2


@pytest.mark.parametrize("how", ["drop", "refuse"])
def test_a_probe_that_is_cancelled_is_anothers_and_one_that_is_refused_found_somebody(
    processes: Start, breaker: Breaker, until: Until, is_due: Due, how: str
) -> None:
    breaker.set(reset_s=1)
    [process] = processes(1)
    breaker.open(process)
    until(is_due)
    assert breaker.call(process, how)["made"] == 1
    assert breaker.kept().state == {"drop": "open", "refuse": "closed"}[how]
    assert breaker.call(process, "ok")["made"] == 1
    assert breaker.kept().state == "closed"


def test_a_probe_whose_process_is_killed_is_made_by_another_after_its_lease(
    processes: Start, breaker: Breaker, until: Until, is_due: Due
) -> None:
    breaker.set(reset_s=1, lease_s=2)
    first, second = processes(2)
    breaker.open(first)
    until(is_due)
    assert breaker.call(first, "hold")["made"] == 1
    first.kill()
    assert breaker.kept().state == "half-open"
    assert breaker.call(second, "ok")["made"] == 0
    until(is_due)
    assert breaker.call(second, "ok")["made"] == 1
    assert breaker.kept().state == "closed"


def test_a_probe_that_takes_long_stays_the_only_one(
    processes: Start, breaker: Breaker, until: Until, is_due: Due
) -> None:
    breaker.set(reset_s=1, lease_s=1)
    first, second = processes(2)
    breaker.open(first)
    until(is_due)
    assert breaker.call(first, "hold")["made"] == 1
    began = lease_end(breaker)
    until(lambda: lease_end(breaker) > began + 1.5)
    assert breaker.call(second, "ok", count=5)["made"] == 0
    breaker.release(first, "ok")
    assert breaker.kept().state == "closed"


def test_a_probe_that_was_given_up_for_dead_decides_nothing(
    processes: Start, breaker: Breaker, until: Until, is_due: Due
) -> None:
    breaker.set(reset_s=1, lease_s=1)
    first, second = processes(2)
    breaker.open(first)
    until(is_due)
    assert breaker.call(first, "hold")["made"] == 1
    first.child.send_signal(signal.SIGSTOP)
    until(is_due)
    assert breaker.call(second, "hold")["made"] == 1
    first.child.send_signal(signal.SIGCONT)
    breaker.release(first, "ok")
    assert breaker.kept().state == "half-open"
    breaker.release(second, "fail")
    assert breaker.kept().state == "open"


def test_a_reset_closes_it_for_everybody(processes: Start, breaker: Breaker, until: Until) -> None:
    first, second = processes(2)
    breaker.open(first)
    assert breaker.call(second, "ok")["made"] == 0
    assert reset(breaker.name) == 1
    for process in (first, second):
        until(lambda process=process: breaker.call(process, "ok")["made"] == 1, 3)


def test_a_closed_breaker_asks_redis_once_a_second_at_most(
    processes: Start, breaker: Breaker
) -> None:
    [process] = processes(1)
    breaker.call(process, "ok")
    began, before = time.monotonic(), scripts_run()
    for _ in range(20):
        assert breaker.call(process, "ok", count=20)["made"] == 20
    assert scripts_run() - before <= (time.monotonic() - began) / FRESH_S + 1


def scripts_run() -> int:
    stats = client().info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


def lease_end(breaker: Breaker) -> float:
    return next(kept.lease_s or 0 for kept in read() if kept.name == breaker.name)
