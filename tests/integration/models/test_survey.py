"""A survey finds each thing that a reconciler has to do, and nothing else."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, update

from models.broker_marker import BrokerMarker, adopt_marker
from models.conversations import Message
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.lifecycle.fence import now
from models.lifecycle.survey import Survey, survey
from models.session import unit_of_work

from .conftest import MakeJob, own, read

PAST = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def none_before() -> None:
    """No unfinished job is left of an earlier test."""
    with unit_of_work() as session:
        session.execute(delete(Job))


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def lose_its_message(job_id: str) -> None:
    with unit_of_work() as session:
        session.execute(delete(Message).where(Message.id == read(job_id).message_id))


def pass_its_deadline(job_id: str) -> None:
    change(job_id, expires_at=now() - PAST)


def kill_its_worker(job_id: str) -> None:
    own(job_id, "intent")
    change(job_id, lease_until=now() - PAST)


def strand(job_id: str) -> None:
    change(job_id, slot="blocked", queue_lease_until=None)


def expire_its_queue_lease(job_id: str) -> None:
    change(job_id, queue_lease_until=now() - PAST)


def end_its_wait(job_id: str) -> None:
    change(job_id, slot="waiting", queue_lease_until=None, next_attempt_at=now() - PAST)


STRAY = (lose_its_message, pass_its_deadline, kill_its_worker, strand)
DUE = (expire_its_queue_lease, end_its_wait)


def found() -> tuple[bool, bool]:
    seen = survey()
    return seen.stray, seen.due


def test_without_an_unfinished_job_there_is_nothing_to_do(make_job: MakeJob) -> None:
    assert found() == (False, False)
    job_id = make_job()
    expire_its_queue_lease(job_id)
    assert found() == (False, True)
    with unit_of_work() as session:
        assert cancel(session, job_id)
    assert found() == (False, False)


def test_jobs_that_are_as_they_should_be_need_nothing(make_job: MakeJob) -> None:
    queued, running, waiting = make_job(), make_job(), make_job()
    own(running, "intent")
    change(waiting, slot="waiting", queue_lease_until=None, next_attempt_at=now() + 60 * PAST)
    behind = make_job(conversation_id=read(queued).conversation_id)
    assert read(behind).slot == "blocked"
    assert found() == (False, False)


@pytest.mark.parametrize("happen", STRAY)
def test_a_stray_job_is_found_among_others(
    make_job: MakeJob, happen: Callable[[str], None]
) -> None:
    jobs = [make_job() for _ in range(3)]
    happen(jobs[1])
    assert found() == (True, False)


@pytest.mark.parametrize("happen", DUE)
def test_a_job_to_publish_is_found_among_others(
    make_job: MakeJob, happen: Callable[[str], None]
) -> None:
    jobs = [make_job() for _ in range(3)]
    happen(jobs[1])
    assert found() == (False, True)


def test_it_reads_the_marker_that_was_adopted() -> None:
    with unit_of_work() as session:
        session.execute(delete(BrokerMarker))
    assert survey() == Survey(stray=False, due=False, webhooks=False, marker=None)
    seen = uuid4().hex
    with unit_of_work() as session:
        adopt_marker(session, seen)
    assert survey().marker == seen
