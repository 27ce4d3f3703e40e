"""One user's failures open a breaker for that user; those of two users open it for all."""

import secrets
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from app.cli import main
from app.ops.readiness import show_breakers
from models.errors import CircuitOpen, ProviderUnavailable, Superseded
from tasks.policies import PERSIST, BreakerPolicy
from tasks.resilience.breaker import circuit_breaker, reset
from tasks.resilience.states import BreakerState, breaker_states
from tasks.resilience.store import breaker_store

ONE, OTHER, THIRD = "usr_1", "usr_2", "usr_3"

Until = Callable[..., None]


class Users:
    """Users' calls under one breaker in this process, which stays open for `reset_s`."""

    def __init__(self, *, shared: bool, reset_s: float) -> None:
        self.name = f"test-{secrets.token_hex(4)}"
        self.policy = BreakerPolicy(failures=3, window_s=60, reset_s=reset_s, shared=shared)

    def fail(self, user_id: str, times: int = 1) -> None:
        for _ in range(times):
            with (
                pytest.raises(ProviderUnavailable),
                circuit_breaker(self.name, self.policy, user_id),
            ):
                raise ProviderUnavailable("away")

    def passes(self, user_id: str) -> bool:
        try:
            with circuit_breaker(self.name, self.policy, user_id):
                return True
        except CircuitOpen:
            return False

    def may_probe(self, user_id: str) -> bool:
        """Whether a call is let through; its outcome does not count."""
        try:
            with circuit_breaker(self.name, self.policy, user_id):
                raise Superseded("cancelled")
        except (Superseded, CircuitOpen) as error:
            return isinstance(error, Superseded)

    def kept(self) -> BreakerState:
        return next(state for state in breaker_states() if state.name == self.name)


@pytest.fixture(autouse=True)
def redis_is_there(environment: object, until: Until) -> None:
    """Wait until this process retries Redis, which it may have found down in another test."""
    until(lambda: breaker_store.ask("look", "any", PERSIST.breaker))


@pytest.fixture(params=[True, False], ids=["fleet", "process"])
def users(request: pytest.FixtureRequest) -> Users:
    return Users(shared=request.param, reset_s=60)


@pytest.fixture(params=[True, False], ids=["fleet", "process"])
def probing(request: pytest.FixtureRequest) -> Users:
    """A breaker that is open only for a moment."""
    return Users(shared=request.param, reset_s=0.5)


@pytest.fixture
def shared() -> Users:
    return Users(shared=True, reset_s=60)


def test_one_users_failures_delay_that_user_alone(users: Users) -> None:
    users.fail(ONE, 3)

    with pytest.raises(CircuitOpen) as refused, circuit_breaker(users.name, users.policy, ONE):
        pytest.fail("the call was made")
    assert 0 < (refused.value.retry_after or 0) <= 60
    assert all(users.passes(who) for who in (OTHER, THIRD, ""))


def test_the_failures_of_two_users_open_it_for_all(users: Users) -> None:
    users.fail(ONE, 2)
    users.fail(OTHER)

    assert not any(users.passes(who) for who in (ONE, OTHER, THIRD, ""))


def test_another_users_failure_after_he_was_kept_waiting_opens_it_for_all(users: Users) -> None:
    users.fail(ONE, 3)
    users.fail(OTHER)

    assert not users.passes(THIRD)


def test_calls_without_a_user_count_for_all(users: Users) -> None:
    users.fail("", 3)

    assert not users.passes(ONE)


def test_his_probe_that_goes_well_lets_him_go_on_and_forgets_his_failures(
    probing: Users, until: Until
) -> None:
    probing.fail(ONE, 3)
    until(lambda: probing.passes(ONE))
    probing.fail(ONE, 2)

    assert probing.passes(ONE)


def test_a_users_failed_probe_delays_that_user_alone(probing: Users, until: Until) -> None:
    probing.fail(ONE, 3)
    for _ in range(2):
        until(lambda: probing.may_probe(ONE))
        probing.fail(ONE)
        assert not probing.passes(ONE)
        assert probing.passes(OTHER)


def test_while_he_probes_his_other_calls_wait(probing: Users, until: Until) -> None:
    probing.fail(ONE, 3)
    until(lambda: probing.may_probe(ONE))

    with circuit_breaker(probing.name, probing.policy, ONE):
        assert not probing.passes(ONE)
        assert probing.passes(OTHER)
    assert probing.passes(ONE)


def open_until_due(probing: Users, until: Until) -> None:
    """Open it for all users, and wait until a probe is due."""
    probing.fail(ONE, 2)
    probing.fail(OTHER)
    until(lambda: probing.may_probe(THIRD))


def test_one_users_failed_probe_leaves_the_next_probe_to_another_at_once(
    probing: Users, until: Until
) -> None:
    open_until_due(probing, until)
    probing.fail(ONE)

    assert not probing.passes(ONE)
    assert probing.passes(OTHER)
    assert all(probing.passes(who) for who in (ONE, OTHER, THIRD))


def test_two_users_failed_probes_keep_all_waiting(probing: Users, until: Until) -> None:
    open_until_due(probing, until)
    probing.fail(ONE)
    probing.fail(OTHER)

    assert not any(probing.passes(who) for who in (ONE, OTHER, THIRD))


def test_failed_probes_of_one_user_alone_delay_no_other(probing: Users, until: Until) -> None:
    open_until_due(probing, until)
    for _ in range(2):
        until(lambda: probing.may_probe(ONE))
        probing.fail(ONE)

    assert probing.passes(OTHER)


def test_people_see_for_whom_alone_it_is_open_and_the_world_sees_no_user(shared: Users) -> None:
    shared.fail(ONE, 3)

    assert (shared.kept().state, list(shared.kept().blocked_users)) == ("closed", [ONE])
    assert f"open for {ONE} only; next probe" in CliRunner().invoke(main, ["breakers"]).output
    assert ONE not in str(show_breakers())


def test_a_reset_lets_him_go_on(shared: Users, until: Until) -> None:
    shared.fail(ONE, 3)
    assert reset(shared.name) == 1

    assert shared.passes(ONE)
