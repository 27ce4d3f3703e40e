"""What users spend by month, with a budget or without, on the real SQL."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import literal, select, text

from models.errors import BudgetExceeded
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from models.spend import budget_of
from models.spend_months import month_of
from models.spent import add_late
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

from ..budgets import MOST, budgeted, give, months, used
from ..commits import unfollowed
from .conftest import MakeJob, read
from .test_spend import PAID, change, completes, fails, is_cancelled, paid
from .test_usage import add_all


@pytest.fixture(autouse=True)
def budget(quiet: None) -> Iterator[None]:
    """Every user of these tests has a budget."""
    with budgeted():
        yield


def settled_of(external_id: str) -> Decimal:
    """What the user is told to have spent in this month."""
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        return budget_of(session, user, Decimal(1)).settled_usd


def test_a_month_begins_with_what_was_spent_before_there_was_a_budget(
    make_job: MakeJob, external_id: str
) -> None:
    with budgeted(Decimal(0)):
        completes(make_job())
    assert used(external_id) is None
    assert settled_of(external_id) == PAID.cost_usd
    add_all()
    assert used(external_id) == (0, PAID.cost_usd)
    assert settled_of(external_id) == PAID.cost_usd
    make_job()
    assert used(external_id) == (MOST, PAID.cost_usd)


def test_what_is_spent_while_no_user_has_a_budget_counts_in_the_same_month(
    make_job: MakeJob, external_id: str
) -> None:
    completes(make_job())
    with budgeted(Decimal(0)):
        completes(make_job())
        under_way = make_job()
    add_all()
    completes(make_job())
    fails(under_way)
    add_all()
    add_all()
    assert used(external_id) == (0, 4 * PAID.cost_usd)


def test_a_late_bill_without_a_budget_is_spent_once(make_job: MakeJob, external_id: str) -> None:
    with budgeted(Decimal(0)):
        fences = [paid(job_id := make_job()), paid(late := make_job())]
    for job in (job_id, late):
        with unit_of_work() as session:
            assert cancel(session, job)
    with unit_of_work() as session:
        add_late(session, fences[0], 0, PAID)
    add_all()
    with unit_of_work() as session:
        add_late(session, fences[1], 0, PAID)
    add_all()
    assert used(external_id) == (0, 4 * PAID.cost_usd)


def test_a_job_without_a_budget_is_spent_in_the_month_in_which_it_was_accepted(
    make_job: MakeJob, external_id: str
) -> None:
    with budgeted(Decimal(0)):
        job_id = make_job()
    change(job_id, created_at=datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
    completes(job_id)
    add_all()
    assert months(external_id) == {date(2026, 1, 1): (0, PAID.cost_usd)}


def test_what_was_spent_without_a_budget_counts_in_the_next(
    make_job: MakeJob, external_id: str
) -> None:
    is_cancelled(make_job())
    give(external_id, Decimal(0))
    is_cancelled(free := make_job())
    assert (read(free).reserved_usd, used(external_id)) == (None, (0, PAID.cost_usd))
    add_all()
    assert used(external_id) == (0, 2 * PAID.cost_usd)
    give(external_id, Decimal(2))
    add_all()  # nothing counts twice
    assert used(external_id) == (0, 2 * PAID.cost_usd)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_month_is_one_in_utc_whatever_the_database_s_time_zone(
    external_id: str, zone: str
) -> None:
    with unfollowed(), unit_of_work() as session:
        session.execute(text(f"SET LOCAL timezone TO '{zone}'"))
        user = get_or_create_user(session, external_id)
        moments = (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
        found = [session.scalar(select(month_of(literal(moment)))) for moment in moments]
        job_id = accept(session, Submission(user, "Hello")).id
    assert found == [date(2026, 1, 1), date(2026, 2, 1)]
    assert read(job_id).budget_month == datetime.now(UTC).date().replace(day=1)


def test_a_budget_below_what_was_spent_leaves_nothing(make_job: MakeJob, external_id: str) -> None:
    completes(make_job())
    give(external_id, PAID.cost_usd / 2)
    with pytest.raises(BudgetExceeded, match=r"\$0.000000 is left") as refused:
        make_job()
    assert refused.value.left_usd == Decimal(0)
    assert used(external_id) == (0, PAID.cost_usd)
