"""What one look of a reconciler does, in which workers take turns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import func, select, update

from config.settings import get_settings
from models.broker_marker import BrokerMarker
from models.job_minutes import JobMinute
from models.jobs import Job
from models.lifecycle.fence import Fence, now
from models.lifecycle.survey import survey
from models.lifecycle.transitions import begin
from models.session import get_engine, unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept
from tasks.worker.broker_marker import KEY, seen_marker
from tasks.worker.reconciler import Reconciler
from tasks.worker.turn import return_turn, take_turn

from ..commits import unfollowed

Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]
Until = Callable[..., None]
PAST = timedelta(seconds=1)
LONG_S = 60


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
