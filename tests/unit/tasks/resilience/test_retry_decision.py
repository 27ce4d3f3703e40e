"""A pure function decides whether a stage is retried."""

import pytest

from models.errors import (
    CircuitOpen,
    ContextTooLong,
    DatabaseUnavailable,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    UnusableAnswer,
)
from tasks.policies import COMPRESS, GENERATE, INTENT, PERSIST, Policy
from tasks.resilience.retry_decision import Again, GiveUp, backoff, decide

POLICIES = [INTENT, COMPRESS, GENERATE, PERSIST]


@pytest.mark.parametrize("error", [ContextTooLong("too long"), ProviderRejected("no")])
def test_a_permanent_error_ends_the_job_with_its_own_code(error: ContextTooLong) -> None:
    assert decide(error, GENERATE, 0, 0.5) == GiveUp(error.code, error.message)


def test_an_unknown_error_ends_the_job_as_internal_and_tells_nothing() -> None:
    decision = decide(ValueError("postgresql://u:secret@db"), GENERATE, 0, 0.5)
    assert isinstance(decision, GiveUp)
    assert decision.code == "internal"
    assert "secret" not in decision.message


def test_a_transient_error_waits_and_uses_an_attempt_up() -> None:
    decision = decide(ProviderUnavailable("away"), GENERATE, 0, 0.0)
    assert decision == Again(delay_s=GENERATE.first_wait_s, counts=True)


def test_an_open_breaker_waits_until_its_probe_and_uses_no_attempt_up() -> None:
    decision = decide(CircuitOpen("open", 17.0), GENERATE, GENERATE.attempts + 5, 0.5)
    assert decision == Again(delay_s=17.0, counts=False)


def test_a_provider_that_is_set_up_wrongly_is_waited_for_and_uses_no_attempt_up() -> None:
    decision = decide(ProviderMisconfigured("no credit"), GENERATE, GENERATE.attempts + 5, 0.5)
    assert decision == Again(delay_s=22.5, counts=False)


def test_who_waits_for_the_operator_waits_longer_each_time_up_to_minutes() -> None:
    waits = [
        decide(ProviderMisconfigured("no credit"), GENERATE, 0, 0.0, times) for times in range(1, 9)
    ]

    assert waits == [
        Again(seconds, counts=False) for seconds in (15, 30, 60, 120, 150, 150, 150, 150)
    ]
    assert decide(ProviderMisconfigured("no"), GENERATE, 0, 0.999, 10_000).delay_s < 300


def test_an_unusable_answer_is_tried_once_more_and_no_oftener() -> None:
    error = UnusableAnswer("nothing")
    assert isinstance(decide(error, GENERATE, 0, 0.5), Again)
    assert decide(error, GENERATE, 1, 0.5) == GiveUp("unusable_answer", "nothing")


def test_a_named_retry_after_is_honoured() -> None:
    assert decide(RateLimited("slow down", 600.0), GENERATE, 0, 0.5) == Again(600.0, counts=True)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.stage)
def test_the_last_attempt_ends_the_job(policy: Policy) -> None:
    away = DatabaseUnavailable("away")
    assert isinstance(decide(away, policy, policy.attempts - 2, 0.0), Again)
    decision = decide(away, policy, policy.attempts - 1, 0.0)
    assert decision == GiveUp("database_unavailable", "away")


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.stage)
@pytest.mark.parametrize("attempts", [0, 1, 5, 100])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_a_wait_stays_between_its_policys_bounds(
    policy: Policy, attempts: int, jitter: float
) -> None:
    assert policy.first_wait_s <= backoff(policy, attempts, jitter) <= policy.max_wait_s


def test_waits_grow_with_the_attempts() -> None:
    waits = [backoff(GENERATE, attempts, 0.999) for attempts in range(8)]
    assert waits == sorted(waits)


def test_without_credit_the_model_that_a_caller_chose_fails_at_once():
    """The caller can choose another model; a mind's job waits for the operator."""
    no_credit = ProviderMisconfigured("no credit", no_credit=True)
    wrong_key = ProviderMisconfigured("wrong key")

    assert decide(no_credit, GENERATE, 0, 0.5, pinned=True) == GiveUp(no_credit.code, "no credit")
    assert isinstance(decide(no_credit, GENERATE, 0, 0.5), Again)
    assert isinstance(decide(wrong_key, GENERATE, 0, 0.5, pinned=True), Again)
