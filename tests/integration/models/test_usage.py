"""Usage by day, model and mind on the real SQL: every job counts once, whenever it is added."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Event, Thread
from uuid import uuid4

import pytest
from sqlalchemy import delete, text, update

from models.conversations import Conversation
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.lifecycle.fence import Fence
from models.prices import Price, store_prices
from models.session import statements, unit_of_work
from models.spent import Spent, add_late
from models.usage import KEYS, Usage, UsageDay, add_ended, any_ended, usage_of
from models.users import User

from .conftest import MakeJob, read
from .plans import rows_read

MODEL = "openai/gpt-5.4-mini"
AT_ONCE = timedelta(0)
COST = Decimal("0.25")
LATE = Spent(3, 5, Decimal("0.5"))


def today() -> date:
    """The current day, which a long run of tests may begin before."""
    return datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def prices(quiet: None) -> None:
    """A model whose input tokens cost 2 dollars a million."""
    with unit_of_work() as session:
        store_prices(session, {MODEL: Price(Decimal("0.000002"), Decimal(0), 1000)})


@pytest.fixture
def ended(make_job: MakeJob) -> Callable[..., str]:
    """`ended(mind=…, model=…)`: a job that was cancelled after it had cost something."""

    def end(mind: str = "sage", model: str | None = MODEL) -> str:
        job_id = make_job(mind=mind)
        spent = {"input_tokens": 100, "output_tokens": 10, "tokens_saved": 50, "cost_usd": COST}
        route = {"model": model} if model else None
        change(job_id, route=route, paid_duplicates=1, **spent)
        with unit_of_work() as session:
            assert cancel(session, job_id)
        return job_id

    return end


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def add_all(margin: timedelta = AT_ONCE) -> None:
    more = True
    while more:
        with unit_of_work() as session:
            more = add_ended(session, margin)


def usage(
    job_id: str, *by: str, first: date | None = None, last: date | None = None
) -> list[Usage]:
    with unit_of_work() as session:
        days = (first or today(), last or today())
        return usage_of(session, read(job_id).user_id, *days, by, 100)


def each(number: int, **keys: object) -> Usage:
    """The usage of so many jobs of `ended`."""
    told: dict[str, object] = dict.fromkeys(KEYS) | keys
    return Usage(
        **told,  # type: ignore[arg-type]
        jobs=number,
        input_tokens=100 * number,
        output_tokens=10 * number,
        tokens_saved=50 * number,
        cost_usd=COST * number,
        saved_usd=Decimal("0.0001") * number,
        paid_duplicates=number,
    )


def test_it_is_complete_at_once_and_the_same_once_jobs_were_added(
    ended: Callable[..., str],
) -> None:
    job_id = ended()
    assert usage(job_id) == [each(1)]
    add_all()
    assert usage(job_id) == [each(1)]
    ended()
    assert usage(job_id) == [each(2)]
    add_all()
    add_all()
    assert usage(job_id) == [each(2)]


def test_it_is_grouped_by_day_model_and_mind(ended: Callable[..., str]) -> None:
    job_id = ended()
    ended(mind="muse")
    add_all()
    ended()
    assert usage(job_id, "mind") == [each(1, mind="muse"), each(2, mind="sage")]
    assert usage(job_id, "day", "model") == [each(3, day=today(), model=MODEL)]
    assert usage(job_id, *KEYS) == [
        each(1, day=today(), model=MODEL, mind="muse"),
        each(2, day=today(), model=MODEL, mind="sage"),
    ]


def test_a_job_without_a_route_or_a_price_counts_too(ended: Callable[..., str]) -> None:
    job_id = ended(model=None)
    ended(model="openai/unknown")
    rows = usage(job_id, "model")
    assert [(row.model, row.jobs) for row in rows] == [("", 1), ("openai/unknown", 1)]
    assert not any(row.saved_usd for row in rows)


def test_only_the_days_that_are_asked_for_count(ended: Callable[..., str]) -> None:
    job_id, yesterday = ended(), today() - timedelta(days=1)
    add_all()
    for_stored = usage(job_id, first=yesterday, last=yesterday)
    ended()
    assert for_stored == usage(job_id, first=yesterday, last=yesterday) == []
    assert usage(job_id, "day", first=yesterday) == [each(2, day=today())]


def test_an_unfinished_job_is_no_usage(make_job: MakeJob) -> None:
    assert usage(make_job()) == []


def test_another_user_s_jobs_are_not_counted(ended: Callable[..., str]) -> None:
    job_id = ended()
    with unit_of_work() as session:
        session.add(User(id=f"user_of_{job_id}", external_id=f"not of {job_id}"))
        session.flush()
        assert usage_of(session, f"user_of_{job_id}", today(), today(), (), 10) == []


def test_it_outlives_conversations_and_jobs(ended: Callable[..., str]) -> None:
    job_id, kept = ended(), ended()
    with unit_of_work() as session:
        this = Conversation.id == read(job_id).conversation_id
        session.execute(delete(Conversation).where(this))
    assert usage(kept) == [each(2)]
    add_all()
    with unit_of_work() as session:
        session.execute(delete(Job).where(Job.id == job_id))
    assert usage(kept) == [each(2)]


def test_it_goes_with_its_user(ended: Callable[..., str]) -> None:
    user = read(ended()).user_id
    add_all()
    with unit_of_work() as session:
        session.execute(delete(User).where(User.id == user))
    with unit_of_work() as session:
        assert session.query(UsageDay).filter_by(user_id=user).count() == 0


@pytest.mark.parametrize("added", [False, True])
def test_a_late_bill_counts_once(ended: Callable[..., str], added: bool) -> None:
    job_id = ended()
    if added:
        add_all()
    with unit_of_work() as session:
        began = {"stages": {"generate": {"began": 9}}}
        session.execute(update(Job).where(Job.id == job_id).values(**began))
        add_late(session, Fence(job_id, 1, "generate", uuid4()), 0, LATE)
    for _ in range(2):
        (row,) = usage(job_id)
        assert (row.jobs, row.input_tokens, row.cost_usd) == (1, 103, COST + LATE.cost_usd)
        add_all()


def test_a_job_whose_end_is_not_committed_yet_is_left_for_later(
    ended: Callable[..., str], make_job: MakeJob
) -> None:
    first, slow = ended(), make_job()
    written, go_on = Event(), Event()

    def end_slowly() -> None:
        with unit_of_work() as session:
            cancel(session, slow)
            written.set()
            go_on.wait(20)

    thread = Thread(target=end_slowly)
    thread.start()
    written.wait(20)
    ended()  # later than the end that is not committed, and committed before it
    add_all()
    go_on.set()
    thread.join()
    assert usage(first)[0].jobs == 3
    add_all()
    assert usage(first)[0].jobs == 3


def test_whoever_adds_at_the_same_time_no_job_counts_twice(
    ended: Callable[..., str], together: Callable[..., list[object]]
) -> None:
    job_ids: list[str] = []

    def work() -> None:
        for _ in range(5):
            job_ids.append(ended())
            add_all()

    together(4, work)
    assert usage(job_ids[0]) == [each(20)]
    add_all()
    assert usage(job_ids[0]) == [each(20)]


def test_what_has_just_ended_is_left_for_the_next_time(ended: Callable[..., str]) -> None:
    job_id = ended()
    add_all(timedelta(minutes=5))
    with unit_of_work() as session:
        user = read(job_id).user_id
        assert session.query(UsageDay).filter_by(user_id=user).count() == 0
    with statements() as connection:
        assert any_ended(connection)


def test_many_jobs_are_added_in_steps_and_not_read_again(filled: None) -> None:
    with unit_of_work() as session:
        session.execute(
            text(
                "UPDATE jobs SET completed_at = now() - interval '1 day'"
                " + interval '1 ms' * substr(id, 10)::integer WHERE user_id = 'user_many'"
            )
        )
    steps, more = 0, True
    while more:
        with unit_of_work() as session:
            more = add_ended(session)
        steps += 1
    first = today() - timedelta(days=365)
    with unit_of_work() as session:
        (row,) = usage_of(session, "user_many", first, today(), (), 10)
    assert (row.jobs, steps) == (20_000, 2)
    for user in ("user_many", "user_few"):
        assert (
            rows_read(
                partial(usage_of, user_id=user, first=first, last=today(), by=KEYS, limit=1000)
            )
            < 50
        )


def test_prices_are_written_only_if_they_have_changed() -> None:
    def stored() -> list[tuple[object, ...]]:
        with unit_of_work() as session:
            found = session.execute(
                text("SELECT xmin, input_usd FROM model_prices WHERE name = 'm'")
            )
            return [tuple(row) for row in found]

    price = Price(Decimal("0.000001"), Decimal("0.000002"), 1000)
    for _ in range(2):
        with unit_of_work() as session:
            store_prices(session, {"m": price})
    before = stored()
    with unit_of_work() as session:
        store_prices(session, {"m": price})
    assert stored() == before
    with unit_of_work() as session:
        store_prices(session, {"m": Price(Decimal("0.000003"), Decimal("0.000002"), 1000)})
    assert stored()[0][1] == Decimal("0.000003")
