"""Which jobs the reconciler changes, and which it leaves alone."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, update

from models.broker_marker import BrokerMarker, adopt_marker
from models.jobs import Job
from models.lifecycle.fence import Fence, now
from models.lifecycle.reconciliation import (
    MAX_CRASHES,
    end_all_overdue,
    reap_expired_leases,
    take_due,
    unpublished,
)
from models.lifecycle.transitions import begin
from models.session import unit_of_work

from .conftest import MakeJob, advance, own, read

MANY = 10_000
AT_ONCE = timedelta(0)


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def adopt(marker: str) -> int | None:
    with unit_of_work() as session:
        return adopt_marker(session, marker)


def taken(job_id: str) -> list[tuple[int, str]]:
    """The due dispatches of one job."""
    with unit_of_work() as session:
        return [(d.epoch, d.stage) for d in take_due(session, MANY) if d.job_id == job_id]


def test_a_lost_message_is_published_again_under_the_same_epoch(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    change(job_id, queue_lease_until=now())
    assert taken(job_id) == [(1, "generate")]
    assert taken(job_id) == []


def test_a_queue_lease_that_is_not_over_is_believed(make_job: MakeJob) -> None:
    assert taken(make_job()) == []


def test_a_queue_lease_doubles_up_to_an_hour(make_job: MakeJob) -> None:
    job_id = make_job()
    lengths = []
    for _ in range(9):
        change(job_id, queue_lease_until=now())
        assert taken(job_id)
        lengths.append(read(job_id).queue_lease_s)
    assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_wait_that_is_over_is_queued_again(make_job: MakeJob) -> None:
    job_id = make_job()
    change(job_id, slot="waiting", next_attempt_at=now())
    assert taken(job_id) == [(1, "intent")]
    assert read(job_id).slot == "queued"


def test_a_dead_run_is_given_up_and_its_stage_queued_under_a_new_epoch(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    change(job_id, lease_until=now())
    with unit_of_work() as session:
        assert reap_expired_leases(session, MANY, AT_ONCE) >= 1
    job = read(job_id)
    assert (job.slot, job.epoch, job.crash_count, job.run_token) == ("queued", 2, 1, None)
    assert taken(job_id) == [(2, "intent")]
    with unit_of_work() as session:
        assert begin(session, Fence(job_id, 1, "intent", fence.token)) is None


def test_a_run_that_beats_is_left_alone(make_job: MakeJob) -> None:
    job_id = make_job()
    own(job_id, "intent")
    with unit_of_work() as session:
        reap_expired_leases(session, MANY, AT_ONCE)
    assert (read(job_id).slot, read(job_id).epoch) == ("running", 1)


def test_a_stage_that_kills_its_workers_fails_as_poison(make_job: MakeJob) -> None:
    job_id = make_job()
    for epoch in range(1, MAX_CRASHES + 1):
        with unit_of_work() as session:
            assert begin(session, Fence(job_id, epoch, "intent", uuid4())) is not None
        change(job_id, lease_until=now())
        with unit_of_work() as session:
            reap_expired_leases(session, MANY, AT_ONCE)
    job = read(job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error["code"], job.error["stage"]) == ("poison", "intent")


def test_overdue_jobs_end_whatever_slot_they_wait_in(make_job: MakeJob) -> None:
    queued, waiting, running = make_job(), make_job(), make_job()
    change(waiting, slot="waiting", next_attempt_at=now(), started_at=now())
    own(running, "intent")
    for job_id in (queued, waiting, running):
        change(job_id, expires_at=now())
    with unit_of_work() as session:
        assert end_all_overdue(session, MANY) >= 2
    statuses = [read(job_id).status for job_id in (queued, waiting, running)]
    assert statuses == ["expired", "failed", "in_progress"]


def test_several_at_once_raise_an_epoch_once(make_job: MakeJob, together: Any) -> None:
    job_id = make_job()
    own(job_id, "intent")
    change(job_id, lease_until=now())

    def reap() -> None:
        with unit_of_work() as session:
            reap_expired_leases(session, MANY, AT_ONCE)

    together(6, reap)
    assert (read(job_id).epoch, read(job_id).crash_count) == (2, 1)


def test_no_run_is_given_up_just_after_the_database_has_come_back(make_job: MakeJob) -> None:
    job_id = make_job()
    own(job_id, "intent")
    change(job_id, lease_until=now())
    with unit_of_work() as session:
        reap_expired_leases(session, MANY, timedelta(days=1))
    assert (read(job_id).slot, read(job_id).epoch) == ("running", 1)


def test_a_message_that_could_not_be_published_stays_due_and_its_lease_as_long(
    make_job: MakeJob,
) -> None:
    job_id = make_job()
    for _ in range(5):
        change(job_id, queue_lease_until=now())
        assert taken(job_id)
        with unit_of_work() as session:
            unpublished(session, [job_id])
    assert read(job_id).queue_lease_s == 30


def test_a_death_in_generate_is_counted_as_perhaps_paid_in_vain(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    own(job_id, "generate")
    change(job_id, lease_until=now())
    with unit_of_work() as session:
        reap_expired_leases(session, MANY, AT_ONCE)
    assert read(job_id).paid_duplicates == 1


def test_an_emptied_broker_ends_every_queue_lease_once(make_job: MakeJob, together: Any) -> None:
    job_id = make_job()
    adopt(f"before {job_id}")
    ended = together(6, lambda: adopt(f"after {job_id}"))
    assert sorted(ended, key=str)[-5:] == [None] * 5
    assert taken(job_id) == [(1, "intent")]
    assert adopt(f"after {job_id}") is None


def test_a_first_sight_of_a_broker_ends_no_queue_lease(make_job: MakeJob) -> None:
    with unit_of_work() as session:
        session.execute(delete(BrokerMarker))
    job_id = make_job()
    assert adopt(f"first {job_id}") is None
    assert taken(job_id) == []
    assert adopt(f"second {job_id}") is not None
