"""Breakers: open after failures in a row, closed again by a call that went well."""

import secrets
import threading
from collections.abc import Callable

import pytest

from models.errors import CircuitOpen, ProviderRejected, ProviderUnavailable
from tasks.policies import BreakerPolicy
from tasks.resilience.breaker import guarded

LONG = BreakerPolicy(failures=3, reset_s=60)


def fail(name: str, policy: BreakerPolicy, error: Exception) -> None:
    with pytest.raises(type(error)), guarded(name, policy):
        raise error


@pytest.fixture
def name() -> str:
    return f"test-{secrets.token_hex(4)}"


def test_it_opens_after_failures_in_a_row_and_says_when_it_lets_a_probe_through(name: str) -> None:
    for _ in range(LONG.failures):
        fail(name, LONG, ProviderUnavailable("away"))
    with pytest.raises(CircuitOpen) as opened, guarded(name, LONG):
        pytest.fail("the call was made")
    assert opened.value.retry_after is not None
    assert 50 < opened.value.retry_after <= 60


def test_a_success_between_failures_starts_the_count_anew(name: str) -> None:
    for _ in range(LONG.failures - 1):
        fail(name, LONG, ProviderUnavailable("away"))
    with guarded(name, LONG):
        pass
    fail(name, LONG, ProviderUnavailable("away"))
    with guarded(name, LONG):
        pass


def test_a_refused_request_does_not_count(name: str) -> None:
    for _ in range(LONG.failures * 2):
        fail(name, LONG, ProviderRejected("a wrong key"))
    with guarded(name, LONG):
        pass


def test_the_probe_that_goes_well_closes_it(name: str, until: Callable[..., None]) -> None:
    quick = BreakerPolicy(failures=1, reset_s=0.2)
    fail(name, quick, ProviderUnavailable("away"))

    def closed() -> bool:
        try:
            with guarded(name, quick):
                return True
        except CircuitOpen:
            return False

    assert not closed()
    until(closed)
    assert closed()


def test_calls_under_one_breaker_run_at_the_same_time(name: str) -> None:
    both = threading.Barrier(2, timeout=5)

    def call() -> None:
        with guarded(name, LONG):
            both.wait()  # a lock held through the call would never let the second one come here

    other = threading.Thread(target=call)
    other.start()
    call()
    other.join(5)
    assert not other.is_alive()
    assert not both.broken
