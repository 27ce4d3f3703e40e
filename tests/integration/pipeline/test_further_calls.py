"""No call is made after a billed failure that the user's budget can't pay for."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tasks.llm.price_list import publish_prices

from ..budgets import give, used
from .conftest import SetVariables, read
from .test_costs import BROKEN, GOOD, GREETING, NOTHING, Asks, again
from .test_costs import closed_breakers as closed_breakers  # the fixtures
from .test_costs import job_at as job_at
from .test_costs import serve as serve
from .test_stages import run

MICRO = Decimal("0.000001")
Leave = Callable[[str, Decimal], Decimal]


@pytest.fixture(autouse=True)
def budget(backends: None, variables: SetVariables) -> None:
    """Every user has a budget."""
    variables(SPEND_LIMIT_USD="100")
    publish_prices()


@pytest.fixture
def leave(external_id: str) -> Leave:
    """`leave(job_id, usd)`: so much is left beside what the job has reserved, which is returned."""

    def change(job_id: str, usd: Decimal) -> Decimal:
        reserved = read(job_id).reserved_usd
        assert reserved is not None
        give(external_id, reserved + usd)
        return reserved

    return change


def error_of(job_id: str) -> tuple[str, str]:
    """The code and the message with which the job has failed."""
    error = read(job_id).error
    assert error is not None
    return error["code"], error["message"]


def test_an_attempt_that_can_t_be_paid_for_is_not_waited_for(
    job_at: Asks, leave: Leave, external_id: str
) -> None:
    job_id = job_at(GREETING, NOTHING)
    leave(job_id, MICRO)

    assert run("generate", job_id).state == "FAILURE"

    code, message = error_of(job_id)
    assert code == "budget_exceeded"
    assert "Failed calls were billed with $" in message
    assert f"${MICRO:.6f} is left" in message
    assert read(job_id).input_tokens == 300_100
    assert used(external_id) == (0, read(job_id).cost_usd)


def test_a_quick_try_that_can_t_be_paid_for_is_not_made(
    job_at: Asks, leave: Leave, external_id: str
) -> None:
    job_id = job_at(GREETING, BROKEN)  # a further call would find no answer
    leave(job_id, MICRO)

    assert run("generate", job_id).state == "FAILURE"

    assert error_of(job_id)[0] == "budget_exceeded"
    assert used(external_id) == (0, read(job_id).cost_usd)


def test_what_failed_is_reserved_beside_the_next_call(
    job_at: Asks, leave: Leave, external_id: str
) -> None:
    job_id = job_at(GREETING, NOTHING, GOOD)
    intent = read(job_id).cost_usd
    reserved = leave(job_id, Decimal(10))

    assert run("generate", job_id).state == "RETRY"
    waiting = read(job_id)
    assert waiting.reserved_usd == reserved + waiting.cost_usd - intent
    assert used(external_id) == (waiting.reserved_usd, 0)

    assert again(job_id) == "SUCCESS"
    run("persist", job_id)
    assert used(external_id) == (0, read(job_id).cost_usd)


def test_without_a_budget_nothing_is_asked_for(
    job_at: Asks, variables: SetVariables, external_id: str
) -> None:
    variables(SPEND_LIMIT_USD="0")
    job_id = job_at(GREETING, BROKEN, GOOD)
    assert run("generate", job_id).state == "SUCCESS"
    assert (read(job_id).reserved_usd, used(external_id)) == (None, None)
