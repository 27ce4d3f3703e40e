"""What one look of a reconciler does, in which workers take turns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from threading import Thread
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import (
    ColumnElement,
    Connection,
    UnaryExpression,
    delete,
    func,
    select,
    update,
)

from config.settings import get_settings
from models.broker_marker import BrokerMarker
from models.conversations import Conversation
from models.job_minutes import JobMinute
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.lifecycle.fence import Fence, now
from models.lifecycle.survey import survey
from models.lifecycle.transitions import begin
from models.session import get_engine, unit_of_work
from models.spend_months import SpendMonth
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept
from tasks.worker.broker_marker import KEY, seen_marker
from tasks.worker.reconciler import BATCH, FEW_WAITING, Reconciler, reconcile_ends
from tasks.worker.turn import return_turn, take_turn

from ..budgets import budgeted, used
from ..commits import unfollowed

Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]
Until = Callable[..., None]
PAST = timedelta(seconds=1)
LONG_S = 60
QUEUE = "llm"


@pytest.fixture(scope="module", autouse=True)
def quiet(backends: Mapping[str, str], quietly: Quietly) -> Iterator[None]:
    """No worker, a marker of these tests' own, and leases that soon count as expired."""
    own = {
        "BROKER_URL": backends["REDIS_URL"].removesuffix("/0") + "/8",
        "LEASE_S": "1",
        "BEAT_S": "0.4",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        with quietly(backends), unfollowed():
            yield


@pytest.fixture(autouse=True)
def nobodys(quiet: None) -> None:
    return_turn()


@pytest.fixture
def lost(external_id: str) -> str:
    """A job whose message is presumed lost."""
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        job_id = accept(session, Submission(user, "Hello there")).id
    change(job_id, queue_lease_until=now() - PAST)
    return job_id


@pytest.fixture
def budget(quiet: None) -> Iterator[None]:
    """Every user has a budget."""
    with budgeted():
        yield


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def read(job_id: str) -> Job:
    with unit_of_work() as session:
        return session.get_one(Job, job_id)


def is_published(job_id: str) -> bool:
    """A published message is believed for twice as long."""
    return read(job_id).queue_lease_s == 2 * get_settings().queue_lease_s


def _database_is_settled() -> bool:
    up = now() - func.pg_postmaster_start_time()
    with unit_of_work() as session:
        return bool(session.scalar(select(up >= timedelta(seconds=get_settings().lease_s))))


def test_the_worker_whose_turn_it_is_publishes_what_was_lost(lost: str) -> None:
    Reconciler().reconcile()
    assert is_published(lost)
    assert not take_turn(LONG_S)


@pytest.fixture
def many_lost(external_id: str) -> list[str]:
    """More jobs than a batch whose messages are presumed lost."""
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        ids = [accept(session, Submission(user, "Hello there")).id for _ in range(BATCH + 50)]
        lost = update(Job).where(Job.id.in_(ids))
        session.execute(lost.values(slot="queued", queue_lease_until=now() - PAST))
    return ids


@pytest.fixture
def empty_broker() -> Iterator[Redis]:
    with Redis.from_url(get_settings().broker) as broker:
        broker.delete(QUEUE)
        yield broker
        broker.delete(QUEUE)


def test_all_that_was_lost_is_published_by_one_look(
    many_lost: list[str], empty_broker: Redis
) -> None:
    Reconciler().reconcile()
    assert all(is_published(job_id) for job_id in many_lost)


def test_a_look_publishes_one_batch_while_many_messages_wait(
    many_lost: list[str], empty_broker: Redis
) -> None:
    empty_broker.lpush(QUEUE, *["{}"] * FEW_WAITING)
    Reconciler().reconcile()
    assert sum(not is_published(job_id) for job_id in many_lost) >= len(many_lost) - BATCH


def test_the_others_leave_it_alone(lost: str) -> None:
    assert take_turn(LONG_S)
    Reconciler().reconcile()
    assert not is_published(lost)


def test_a_run_whose_worker_died_is_published_by_the_same_look(lost: str, until: Until) -> None:
    with unit_of_work() as session:
        assert begin(session, Fence(lost, 1, "intent", uuid4())) is not None
    change(lost, lease_until=now() - PAST)
    until(_database_is_settled)
    Reconciler().reconcile()
    job = read(lost)
    assert (job.slot, job.epoch, job.queue_lease_s) == ("queued", 2, get_settings().queue_lease_s)
    assert not survey().due


def test_an_emptied_broker_is_noticed_and_its_jobs_published(
    external_id: str, backends: Mapping[str, str]
) -> None:
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        job_id = accept(session, Submission(user, "Hello there")).id
    Reconciler().reconcile()
    assert not is_published(job_id)
    with unit_of_work() as session:
        known = session.scalar(select(BrokerMarker.value))
    assert known == seen_marker()

    with Redis.from_url(get_settings().broker) as broker:
        broker.delete(KEY)
    return_turn()
    Reconciler().reconcile()
    assert is_published(job_id)


def test_a_worker_without_the_database_lets_the_next_one_look(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler = Reconciler()
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
        get_settings.cache_clear()
        get_engine.cache_clear()
        reconciler.reconcile()
        assert take_turn(LONG_S)
    get_settings.cache_clear()
    get_engine.cache_clear()
    assert take_turn(LONG_S)

    reconciler.reconcile()  # another has the turn, but this one was cut off
    assert is_published(lost)


def test_the_minutes_that_are_over_are_stored_for_the_board(lost: str) -> None:
    change(lost, status="completed", slot=None, completed_at=now() - timedelta(minutes=10))
    Reconciler().reconcile()
    with unit_of_work() as session:
        stored = session.scalars(select(JobMinute).where(JobMinute.status == "completed")).all()
    assert sum(minute.jobs for minute in stored) == 1


def accepted_of(external_id: str) -> str:
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        return accept(session, Submission(user, "Hello there")).id


def test_a_reconciler_keeps_no_user_s_budget_locked_while_it_waits_for_another_s(
    budget: None, external_id: str, until: Until
) -> None:
    others = f"other-{external_id}"
    orphan, overdue = accepted_of(external_id), accepted_of(others)
    change(overdue, expires_at=now() - PAST)
    with unit_of_work() as session:
        gone = Conversation.id == read(orphan).conversation_id
        session.execute(delete(Conversation).where(gone))

    with get_engine().connect() as connection:
        lock_month(connection, read(overdue).user_id)
        reconciling = Thread(target=reconcile_ends, kwargs={"reap": False})
        reconciling.start()
        until(lambda: used(external_id) == (0, 0))
        lock_month(connection, read(orphan).user_id)  # or the two would wait for each other
        connection.rollback()
    reconciling.join(30)

    assert not reconciling.is_alive()
    assert (used(external_id), used(others)) == ((0, 0), (0, 0))
    assert (read(orphan).status, read(overdue).status) == ("cancelled", "expired")


def lock_month(connection: Connection, user_id: str) -> None:
    mine = select(SpendMonth.month).where(SpendMonth.user_id == user_id)
    assert connection.execute(mine.with_for_update()).one()


def test_two_reconcilers_and_ends_in_any_order_do_not_block_each_other(
    budget: None, external_id: str, together: Callable[..., list[object]]
) -> None:
    users = [f"{number}-{external_id}" for number in range(6)]
    jobs = [accepted_of(user) for user in (*users, *reversed(users))]
    for job_id in jobs[::2]:
        change(job_id, expires_at=now() - PAST)
    with unit_of_work() as session:
        gone = [read(job_id).conversation_id for job_id in jobs[::3]]
        session.execute(delete(Conversation).where(Conversation.id.in_(gone)))
    mine = Job.id.in_(jobs)
    works = [partial(reconcile_ends, reap=True), partial(reconcile_ends, reap=True)]
    works += [partial(end_some, mine, order) for order in (Job.id.asc(), Job.id.desc())]

    together(len(works), lambda: works.pop()())

    assert all(read(job_id).slot is None for job_id in jobs)
    assert [used(user) for user in users] == [(0, 0)] * len(users)


def end_some(which: ColumnElement[bool], order: UnaryExpression[str]) -> None:
    """End these jobs one after the other."""
    with unit_of_work() as session:
        ids = session.scalars(select(Job.id).where(which).order_by(order)).all()
    for job_id in ids:
        with unit_of_work() as session:
            cancel(session, job_id)
