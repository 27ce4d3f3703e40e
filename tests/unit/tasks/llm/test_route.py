"""Completing with fallbacks: which models are called, in which order, and the final error."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from models.errors import (
    CircuitOpen,
    ContextTooLong,
    NoModel,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    Superseded,
    TrimindError,
)
from tasks.llm.gateway import Completion
from tasks.llm.models import Target
from tasks.llm.route import complete_with_fallback
from tasks.policies import GENERATE
from tasks.resilience.breaker import reset_all

OPENAI, CLAUDE, GEMINI = "openai/gpt-5.4", "anthropic/claude-sonnet-4-6", "gemini/gemini-2.5-pro"
ROUTE = (OPENAI, CLAUDE, GEMINI)
ONCE = replace(GENERATE, quick_tries=1)
DONE = Completion("Done.", "stop", 1, 1, Decimal(0), 1)


@pytest.fixture(autouse=True)
def _closed_breakers(settings: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings without servers; all breakers are closed before and after."""
    reset_all()
    yield
    reset_all()


def asking(errors: dict[str, TrimindError], asked: list[str]) -> Callable[[Target], Completion]:
    """Answers, except for models with an error; records the models called."""

    def ask(target: Target) -> Completion:
        asked.append(target.name)
        if target.name in errors:
            raise errors[target.name]
        return DONE

    return ask


def test_the_first_model_that_answers_serves_and_no_other_is_called() -> None:
    asked: list[str] = []

    answered = complete_with_fallback(ROUTE, asking({}, asked), ONCE)

    assert (answered.model, answered.completion, answered.tried) == (OPENAI, DONE, [])
    assert asked == [OPENAI]


def test_failures_before_the_answer_are_listed_in_order() -> None:
    asked: list[str] = []
    errors = {OPENAI: RateLimited("no", 5), CLAUDE: ProviderRejected("no")}

    answered = complete_with_fallback(ROUTE, asking(errors, asked), ONCE)

    assert answered.model == GEMINI
    assert asked == list(ROUTE)
    assert answered.tried == [
        {"model": OPENAI, "code": "rate_limited"},
        {"model": CLAUDE, "code": "provider_rejected"},
    ]


def test_a_message_too_long_for_one_model_goes_to_the_next() -> None:
    answered = complete_with_fallback(ROUTE, asking({OPENAI: ContextTooLong("no")}, []), ONCE)

    assert answered.model == CLAUDE


def test_a_model_that_breaks_off_is_tried_again_at_once() -> None:
    asked: list[str] = []

    complete_with_fallback(
        (OPENAI, CLAUDE), asking({OPENAI: ProviderUnavailable("no")}, asked), GENERATE
    )

    assert asked == [OPENAI] * GENERATE.quick_tries + [CLAUDE]


def test_a_model_with_a_retry_after_is_not_called_before() -> None:
    asked: list[str] = []

    complete_with_fallback(
        (OPENAI, CLAUDE), asking({OPENAI: ProviderUnavailable("no", 6)}, asked), GENERATE
    )

    assert asked == [OPENAI, CLAUDE]


@pytest.mark.parametrize("error", [RateLimited("no"), ProviderRejected("no"), ContextTooLong("no")])
def test_a_model_that_refuses_is_not_tried_again_at_once(error: TrimindError) -> None:
    asked: list[str] = []

    complete_with_fallback((OPENAI, CLAUDE), asking({OPENAI: error}, asked), GENERATE)

    assert asked == [OPENAI, CLAUDE]


def raised(*errors: TrimindError) -> TrimindError:
    """The error of a route whose models fail with these errors."""
    with pytest.raises(TrimindError) as caught:
        complete_with_fallback(ROUTE, asking(dict(zip(ROUTE, errors, strict=True)), []), ONCE)
    return caught.value


def test_the_transient_failure_that_ends_soonest_is_raised() -> None:
    soon, late = RateLimited("soon", 2), RateLimited("late", 60)

    assert raised(late, ProviderRejected("no"), soon) is soon


def test_a_failure_that_may_pass_wins_over_one_that_does_not() -> None:
    passing = ProviderUnavailable("down")

    assert raised(ContextTooLong("no"), passing, ProviderRejected("no")) is passing


def test_an_open_breaker_is_raised_only_if_nothing_else_failed_for_a_while() -> None:
    is_open, limited = CircuitOpen("open", 1), RateLimited("limited", 60)

    assert raised(is_open, limited, ProviderRejected("no")) is limited
    assert raised(is_open, ProviderRejected("no"), ContextTooLong("no")) is is_open


def test_a_misconfigured_model_is_raised_only_if_no_other_may_answer() -> None:
    wrong, is_open = ProviderMisconfigured("no credit"), CircuitOpen("open", 60)

    assert raised(wrong, is_open, ProviderRejected("no")) is is_open
    assert raised(wrong, ContextTooLong("no"), ProviderRejected("no")) is wrong


def test_too_long_is_said_before_refused() -> None:
    long = ContextTooLong("no")

    assert raised(ProviderRejected("no"), long, ProviderRejected("no")) is long


def test_a_route_without_models_says_that_no_key_is_set() -> None:
    with pytest.raises(NoModel):
        complete_with_fallback((), asking({}, []), ONCE)


def test_work_that_nobody_wants_is_offered_to_no_other_model() -> None:
    asked: list[str] = []

    with pytest.raises(Superseded):
        complete_with_fallback(ROUTE, asking({OPENAI: Superseded("gone")}, asked), ONCE)

    assert asked == [OPENAI]
