"""Breakers while Redis is down: each process has its own, and no call waits for Redis."""

from collections.abc import Callable

import pytest
import redis

from deploy.embedded.supervisor import Supervisor
from tasks.resilience.states import breaker_states

from .conftest import Breaker, Process

Start = Callable[[int], list[Process]]
Until = Callable[..., None]


def test_calls_go_on_when_redis_is_killed_and_each_process_counts_alone(
    supervisor: Supervisor, new_processes: Start, breaker: Breaker, until: Until
) -> None:
    first, second = new_processes(2)
    breaker.open(first)
    assert breaker.call(second, "ok")["made"] == 0
    supervisor.kill("redis")
    for process in (first, second):
        until(lambda process=process: breaker.call(process, "ok", count=5)["made"] == 5, 3)
    breaker.open(first)
    assert breaker.call(first, "ok")["made"] == 0
    assert breaker.call(second, "ok")["made"] == 1


def test_a_call_waits_no_longer_than_half_a_second_for_a_redis_that_hangs(
    supervisor: Supervisor, new_processes: Start, breaker: Breaker, hung: None
) -> None:
    [process] = new_processes(1)
    answer = breaker.call(process, "ok", count=20)
    assert answer["made"] == 20
    assert answer["slowest_s"] < 1.5
    assert breaker.call(process, "fail", count=20)["slowest_s"] < 1.5


def test_the_fleet_shares_its_breakers_again_when_redis_is_back(
    supervisor: Supervisor, new_processes: Start, breaker: Breaker, until: Until
) -> None:
    breaker.set(failures=1)
    first, second = new_processes(2)
    breaker.call(first, "ok")
    supervisor.kill("redis")
    breaker.call(first, "fail")
    until(lambda: breaker.call(first, "ok")["made"] == 0, 3)
    supervisor.restart("redis")
    until(lambda: breaker.call(first, "ok")["made"] == 1, 5)
    breaker.call(first, "fail")
    assert breaker.kept().state == "open"
    assert breaker.call(second, "ok")["made"] == 0


def test_a_probe_that_ends_while_redis_is_down_is_repeated(
    supervisor: Supervisor,
    new_processes: Start,
    breaker: Breaker,
    until: Until,
    is_due: Callable[[], bool],
) -> None:
    breaker.set(failures=1, reset_s=1, lease_s=2)
    first, second = new_processes(2)
    breaker.open(first)
    until(is_due)
    assert breaker.call(first, "hold")["made"] == 1
    supervisor.kill("redis")
    breaker.release(first, "ok")
    assert breaker.call(first, "ok")["made"] == 1
    supervisor.restart("redis")
    until(is_due)
    assert breaker.call(second, "ok")["made"] == 1
    assert breaker.kept().state == "closed"


def test_the_states_cannot_be_read_while_redis_is_down(supervisor: Supervisor) -> None:
    supervisor.kill("redis")
    with pytest.raises(redis.ConnectionError):
        breaker_states()
