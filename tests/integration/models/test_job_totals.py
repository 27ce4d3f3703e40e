"""The totals of ended jobs on the real SQL: each job once, by how it ended and its model."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import delete, update

from models.job_totals import JobTotal, Total, job_totals
from models.jobs import BULK, Job
from models.lifecycle.endings import cancel
from models.lifecycle.fence import Fence
from models.prices import Price, store_prices
from models.session import unit_of_work
from models.spent import Spent, add_late
from models.usage import add_ended
from models.users import User

from .conftest import MakeJob, read

MODEL = "openai/gpt-5.4-mini"
End = Callable[..., str]


@pytest.fixture(autouse=True)
def begin(quiet: None) -> None:
    """No total, and a model whose input tokens cost 2 dollars a million."""
    add_all()
    with unit_of_work() as session:
        session.execute(delete(JobTotal))
        store_prices(session, {MODEL: Price(Decimal("0.000002"), Decimal(0), 1000)})


@pytest.fixture
def end(make_job: MakeJob) -> End:
    """`end(column=…)`: a job that was cancelled, and then has these columns."""

    def make(**columns: object) -> str:
        job_id = make_job()
        with unit_of_work() as session:
            assert cancel(session, job_id)
            session.execute(update(Job).where(Job.id == job_id).values(input_tokens=5, **columns))
        return job_id

    return make


def add_all() -> None:
    more = True
    while more:
        with unit_of_work() as session:
            more = add_ended(session, timedelta(0))


def totals() -> dict[tuple[str, str, str, str], Total]:
    with unit_of_work() as session:
        found = job_totals(session)
    return {(each.status, each.code, each.priority, each.model): each for each in found}


def test_jobs_are_counted_by_how_they_ended_and_by_their_model(end: End) -> None:
    failed = {"status": "failed", "error": {"code": "poison"}}
    end()
    end(route={"model": MODEL}, lane=BULK, tokens_saved=50, cost_usd=Decimal("0.25"))
    end(route={"model": MODEL}, **failed)
    end(route={"model": MODEL}, **failed)
    assert totals() == {}
    add_all()
    found = totals()
    assert {key: each.jobs for key, each in found.items()} == {
        ("cancelled", "", "interactive", ""): 1,
        ("cancelled", "", "bulk", MODEL): 1,
        ("failed", "poison", "interactive", MODEL): 2,
    }
    bulk = found["cancelled", "", "bulk", MODEL]
    assert (bulk.input_tokens, bulk.tokens_saved) == (5, 50)
    assert (bulk.cost_usd, bulk.saved_usd) == (Decimal("0.25"), Decimal("0.0001"))


def test_a_job_counts_once_and_outlives_its_user(end: End) -> None:
    job_id = end()
    add_all()
    add_all()
    user_id = read(job_id).user_id
    with unit_of_work() as session:
        session.execute(delete(User).where(User.id == user_id))
    [total] = totals().values()
    assert total.jobs == 1


@pytest.mark.parametrize("added", [False, True])
def test_a_late_bill_counts_once(end: End, added: bool) -> None:
    job_id = end()
    if added:
        add_all()
    with unit_of_work() as session:
        began = {"stages": {"generate": {"began": 9}}}
        session.execute(update(Job).where(Job.id == job_id).values(**began))
        late = Spent(3, 5, Decimal("0.5"))
        add_late(session, Fence(job_id, 1, "generate", uuid4()), 0, late)
    add_all()
    [total] = totals().values()
    assert (total.jobs, total.input_tokens, total.output_tokens) == (1, 8, 5)
    assert total.cost_usd == Decimal("0.5")
