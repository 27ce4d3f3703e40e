"""Breakers of one process: when they open, which calls may probe, and what counts."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from config.settings import get_settings
from models.errors import (
    CircuitOpen,
    ContextTooLong,
    DatabaseUnavailable,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    Superseded,
)
from tasks.policies import PERSIST, BreakerPolicy
from tasks.resilience.breaker import circuit_breaker
from tasks.resilience.fleet import FleetCircuit
from tests.fresh_python import FreshPython

LONG = BreakerPolicy(failures=3, window_s=60, reset_s=60, shared=False)
QUICK = replace(LONG, failures=1, reset_s=0.2)
DATABASE = replace(PERSIST.breaker, reset_s=0.2)

Until = Callable[..., None]


def fail(name: str, policy: BreakerPolicy, error: BaseException) -> None:
    with pytest.raises(type(error)), circuit_breaker(name, policy):
        raise error


def passes(name: str, policy: BreakerPolicy) -> bool:
    try:
        with circuit_breaker(name, policy):
            return True
    except CircuitOpen:
        return False


def open_until_due(name: str, policy: BreakerPolicy, until: Until) -> None:
    """Open it, and wait until a probe is due."""
    for _ in range(policy.failures):
        fail(name, policy, ProviderUnavailable("away"))
    assert not passes(name, policy)
    until(lambda: probes(name, policy))


def probes(name: str, policy: BreakerPolicy) -> bool:
    """Whether a call is let through; its outcome does not count, so the next is a probe too."""
    try:
        with circuit_breaker(name, policy):
            raise Superseded("cancelled")
    except Superseded:
        return True
    except CircuitOpen:
        return False


@pytest.fixture
def name() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.mark.parametrize("error", [ProviderUnavailable("away"), RateLimited("429"), OSError()])
def test_it_opens_after_failures_and_says_when_it_lets_a_probe_through(
    name: str, error: Exception
) -> None:
    for _ in range(LONG.failures):
        fail(name, LONG, error)
    with pytest.raises(CircuitOpen) as opened, circuit_breaker(name, LONG):
        pytest.fail("the call was made")
    assert opened.value.retry_after is not None
    assert 50 < opened.value.retry_after <= 60


def test_a_success_between_failures_does_not_hide_them(name: str) -> None:
    for _ in range(LONG.failures):
        assert passes(name, LONG)
        fail(name, LONG, ProviderUnavailable("away"))
    assert not passes(name, LONG)


def test_failures_among_many_successes_do_not_open_it(name: str) -> None:
    for _ in range(LONG.failures * 2):
        fail(name, LONG, ProviderUnavailable("away"))
        for _ in range(LONG.failures):
            assert passes(name, LONG)


def test_failures_older_than_the_window_do_not_count(name: str, until: Until) -> None:
    short = replace(LONG, failures=2, window_s=0.05)
    fail(name, short, ProviderUnavailable("away"))
    end = time.monotonic() + short.window_s
    until(lambda: time.monotonic() > end)
    fail(name, short, ProviderUnavailable("away"))
    assert passes(name, short)


@pytest.mark.parametrize(
    "error",
    [ProviderRejected("a key"), ContextTooLong("long"), Superseded("cancelled"), SystemExit()],
)
def test_what_is_no_failure_of_the_other_side_does_not_count(
    name: str, error: BaseException
) -> None:
    for _ in range(LONG.failures * 2):
        fail(name, LONG, error)
    assert passes(name, LONG)


def test_only_its_absence_opens_the_databases(name: str) -> None:
    for error in (ValueError("a bug"), ProviderUnavailable("another thing")):
        for _ in range(DATABASE.failures):
            fail(name, DATABASE, error)
    assert passes(name, DATABASE)
    for _ in range(DATABASE.failures):
        fail(name, DATABASE, DatabaseUnavailable("away"))
    assert not passes(name, DATABASE)


def test_the_probe_that_goes_well_closes_it(name: str, until: Until) -> None:
    open_until_due(name, QUICK, until)
    assert passes(name, QUICK)
    assert all(passes(name, QUICK) for _ in range(3))


def test_the_probe_that_fails_opens_it_anew(name: str, until: Until) -> None:
    long = replace(LONG, failures=1, reset_s=1)
    open_until_due(name, long, until)
    fail(name, long, ProviderUnavailable("away"))
    assert not passes(name, long)


def test_a_probe_that_is_cancelled_neither_closes_nor_opens_it(name: str, until: Until) -> None:
    open_until_due(name, QUICK, until)
    assert all(probes(name, QUICK) for _ in range(3))


def test_a_probe_that_is_refused_has_found_somebody_there(name: str, until: Until) -> None:
    open_until_due(name, QUICK, until)
    fail(name, QUICK, ProviderRejected("a wrong key"))
    assert all(passes(name, QUICK) for _ in range(3))


def test_during_the_probe_others_are_told_to_come_back_soon(name: str, until: Until) -> None:
    open_until_due(name, QUICK, until)
    with (
        circuit_breaker(name, QUICK),
        pytest.raises(CircuitOpen) as refused,
        circuit_breaker(name, QUICK),
    ):
        pytest.fail("a second probe was made")
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 1


def test_one_of_many_threads_makes_the_probe(
    name: str, until: Until, together: Callable[..., list[object]]
) -> None:
    open_until_due(name, QUICK, until)
    all_have_tried = threading.Barrier(20, timeout=10)

    def try_it() -> bool:
        try:
            with circuit_breaker(name, QUICK):
                all_have_tried.wait()
                return True
        except CircuitOpen:
            all_have_tried.wait()
            return False

    assert sorted(map(bool, together(20, try_it))) == [False] * 19 + [True]


def test_calls_under_one_breaker_run_at_the_same_time(name: str) -> None:
    both = threading.Barrier(2, timeout=5)

    def call() -> None:
        with circuit_breaker(name, LONG):
            both.wait()  # with a lock held through the call, the second one would never get here

    other = threading.Thread(target=call)
    other.start()
    call()
    other.join(5)
    assert not other.is_alive()
    assert not both.broken


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"window_s": 0}, {"reset_s": -1}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive"):
        replace(LONG, **wrong)


def test_importing_it_asks_for_no_settings_and_no_redis(fresh_python: FreshPython) -> None:
    code = "import tasks.resilience.breaker, tasks.resilience.states"
    fresh_python(code, env={}, check=True)


def test_a_shared_breaker_counts_successes_while_redis_is_away_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")  # no server answers there
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("SHARED_SECRET", "s" * 32)
    get_settings.cache_clear()
    circuit = FleetCircuit(secrets.token_hex(8), replace(LONG, failures=5, shared=True))
    for _ in range(5):
        for _ in range(100):
            circuit.succeeded()
        assert not circuit.failed()
    get_settings.cache_clear()

    assert circuit.snapshot().state == "closed"
