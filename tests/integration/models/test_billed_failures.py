"""What failed calls were billed is reserved in addition, on the real SQL."""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from models.errors import BudgetExceeded
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import checkpoint
from models.session import unit_of_work
from models.spend import reserve_again

from ..budgets import MOST, budgeted, used
from .conftest import MakeJob, own, read
from .test_spend import DONE, PAID, accepted

MICRO = Decimal("0.000001")


@pytest.fixture(autouse=True)
def budget(quiet: None) -> Iterator[None]:
    """Every user of these tests has a budget."""
    with budgeted():
        yield


def ask_again(fence: Fence, limit: Decimal | None, usd: Decimal = PAID.cost_usd) -> None:
    with unit_of_work() as session:
        reserve_again(session, fence, limit, usd)


def test_a_billed_failure_is_reserved_in_addition(make_job: MakeJob, external_id: str) -> None:
    job_id = make_job()
    ask_again(own(job_id, "intent"), MOST + PAID.cost_usd)
    assert read(job_id).reserved_usd == MOST + PAID.cost_usd
    assert used(external_id) == (MOST + PAID.cost_usd, 0)


def test_a_billed_failure_that_does_not_fit_is_refused(make_job: MakeJob, external_id: str) -> None:
    fence = own(make_job(), "intent")
    with pytest.raises(BudgetExceeded, match=r"billed with \$0.003000, and another can't be paid"):
        ask_again(fence, MOST + PAID.cost_usd - MICRO)
    assert used(external_id) == (MOST, 0)


def test_once_there_is_no_budget_a_billed_failure_always_fits(
    make_job: MakeJob, external_id: str
) -> None:
    ask_again(own(make_job(), "intent"), None, 1000 * MOST)
    assert used(external_id) == (1001 * MOST, 0)


def test_a_run_that_lost_its_job_reserves_nothing(make_job: MakeJob, external_id: str) -> None:
    fence = own(make_job(), "intent")
    with unit_of_work() as session:
        assert checkpoint(session, fence, DONE, {}, 3, PAID) is not None
    ask_again(fence, MOST * 10)
    assert used(external_id) == (MOST, 0)


def test_billed_failures_and_submissions_at_once_do_not_overspend(
    make_job: MakeJob, external_id: str, together: Callable[..., list[object]]
) -> None:
    limit = MOST * 8
    fences = [own(make_job(), "intent") for _ in range(4)]

    def spend() -> None:
        with contextlib.suppress(BudgetExceeded):
            ask_again(fences.pop(), limit, MOST)
        with contextlib.suppress(BudgetExceeded):
            accepted(external_id)

    with budgeted(limit):
        together(4, spend)
    assert used(external_id) == (limit, 0)
