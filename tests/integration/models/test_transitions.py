"""The fences: what each transition requires and what it changes, on the real SQL."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from models.conversations import Message
from models.jobs import STAGES, Job
from models.lifecycle.endings import cancel, complete, end_overdue, fail
from models.lifecycle.fence import Fence, now
from models.lifecycle.ownership import adopt, extend_leases, hand_back, save_partials
from models.lifecycle.transitions import begin, checkpoint, wait
from models.session import unit_of_work
from models.stage_record import StageRecord

from .conftest import MakeJob, advance, own, read

DONE = StageRecord(status="completed", ms=1)

WRITES: dict[str, Callable[[Any, Fence], object]] = {
    "checkpoint": lambda session, fence: checkpoint(session, fence, DONE, {}),
    "wait": lambda session, fence: wait(session, fence, timedelta(seconds=9), counts=True),
    "fail": lambda session, fence: fail(session, fence, "internal", "It broke.", DONE),
    "complete": lambda session, fence: complete(session, fence, DONE),
}


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def try_begin(fence: Fence) -> bool:
    with unit_of_work() as session:
        return begin(session, fence) is not None


def attempt(write: str, fence: Fence) -> object:
    with unit_of_work() as session:
        return WRITES[write](session, fence)


def answers(job_id: str) -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).where(Message.job_id == job_id)) or 0


def test_a_begun_stage_is_running_under_its_token_and_a_lease(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    job = read(job_id)
    assert (job.slot, job.status, job.run_token) == ("running", "in_progress", fence.token)
    assert job.lease_until is not None
    assert job.started_at is not None
    assert job.starts == 1


def test_a_second_copy_of_a_message_does_not_begin(make_job: MakeJob) -> None:
    job_id = make_job()
    own(job_id, "intent")
    assert not try_begin(Fence(job_id, 1, "intent", uuid4()))
    assert read(job_id).starts == 1


def test_a_begin_tried_again_with_the_same_token_is_the_same_begin(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    assert try_begin(fence)
    assert read(job_id).starts == 1


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_does_not_begin_before_its_turn(make_job: MakeJob, stage: str) -> None:
    assert not try_begin(Fence(make_job(), 1, stage, uuid4()))


def test_a_checkpointed_stage_does_not_begin_again(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "compress")
    assert not try_begin(Fence(job_id, 1, "intent", uuid4()))


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_message_of_another_epoch_does_not_begin(make_job: MakeJob, epoch: int) -> None:
    job_id = make_job()
    change(job_id, epoch=2)
    assert not try_begin(Fence(job_id, epoch, "intent", uuid4()))
    assert try_begin(Fence(job_id, 2, "intent", uuid4()))


def test_a_checkpoint_queues_the_next_stage_and_keeps_the_result(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    with unit_of_work() as session:
        record = StageRecord(status="completed", ms=3, intent="coding")
        assert checkpoint(session, fence, record, {"intent": "coding"})
    job = read(job_id)
    assert (job.stage, job.slot, job.run_token) == ("compress", "queued", None)
    assert job.queue_lease_until is not None
    assert job.stages["intent"] == record.stored()
    assert job.intent == "coding"


@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_refused_once_another_run_owns_the_stage(make_job: MakeJob, write: str) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    slow = own(job_id, "persist")
    change(job_id, run_token=uuid4())
    assert not attempt(write, slow)
    assert answers(job_id) == 0


@pytest.mark.parametrize("write", WRITES)
def test_a_write_of_an_older_epoch_is_refused(make_job: MakeJob, write: str) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    fence = own(job_id, "persist")
    change(job_id, epoch=2)
    assert not attempt(write, fence)
    assert answers(job_id) == 0


@pytest.mark.parametrize("write", WRITES)
def test_a_finished_job_never_changes(make_job: MakeJob, write: str) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    fence = own(job_id, "persist")
    assert attempt("complete", fence)
    before = read(job_id)
    assert not attempt(write, fence)
    after = read(job_id)
    assert (after.status, after.completed_at) == ("completed", before.completed_at)
    assert answers(job_id) == 1


def test_a_completed_job_has_its_answer_as_one_message(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    assert attempt("complete", own(job_id, "persist"))
    job = read(job_id)
    assert (job.status, job.slot) == ("completed", None)
    with unit_of_work() as session:
        message = session.scalars(select(Message).where(Message.job_id == job_id)).one()
    assert (message.role, message.content, message.mind) == ("assistant", "An answer.", job.mind)


def test_the_database_itself_refuses_a_second_answer_to_a_job(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    assert attempt("complete", own(job_id, "persist"))
    job = read(job_id)
    again = Message(
        id="msg_again",
        conversation_id=job.conversation_id,
        role="assistant",
        job_id=job_id,
        content="Once more.",
    )
    with pytest.raises(IntegrityError), unit_of_work() as session:
        session.add(again)


@pytest.mark.parametrize("columns", [{"slot": None}, {"queue_lease_until": None}])
def test_the_database_itself_refuses_a_job_without_a_whole_slot(
    make_job: MakeJob, columns: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError):
        change(make_job(), **columns)


def test_a_wait_counts_an_attempt_only_where_it_is_one(make_job: MakeJob) -> None:
    job_id = make_job()
    with unit_of_work() as session:
        assert wait(session, own(job_id, "intent"), timedelta(seconds=60), counts=False)
    assert (read(job_id).slot, read(job_id).attempts) == ("waiting", 0)
    assert not try_begin(Fence(job_id, 1, "intent", uuid4()))


def test_a_failed_job_says_where_and_why(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    assert attempt("fail", own(job_id, "generate"))
    job = read(job_id)
    assert job.status == "failed"
    assert job.error == {
        "code": "internal",
        "message": "It broke.",
        "stage": "generate",
        "attempts": 1,
    }


def test_a_job_that_never_started_by_its_deadline_has_expired(make_job: MakeJob) -> None:
    job_id = make_job()
    change(job_id, expires_at=now())
    assert not try_begin(Fence(job_id, 1, "intent", uuid4()))
    assert (read(job_id).status, read(job_id).slot) == ("expired", None)


def test_a_job_that_started_has_failed_at_its_deadline(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    change(job_id, expires_at=now())
    assert not try_begin(Fence(job_id, 1, "generate", uuid4()))
    job = read(job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error["code"], job.error["stage"]) == ("deadline_exceeded", "generate")


def test_an_answer_is_stored_even_after_the_deadline(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    change(job_id, expires_at=now())
    with unit_of_work() as session:
        assert end_overdue(session, Job.id == job_id) == 0
    assert attempt("complete", own(job_id, "persist"))


def test_a_heartbeat_extends_the_leases_of_those_who_own_their_stage(make_job: MakeJob) -> None:
    mine, lost = make_job(), make_job()
    owner, loser = own(mine, "intent"), own(lost, "intent")
    change(mine, lease_until=now())
    change(lost, run_token=uuid4())
    with unit_of_work() as session:
        assert extend_leases(session, [owner.token, loser.token]) == {owner.token}
        left = session.scalar(
            select(Job.lease_until > text("clock_timestamp()")).where(Job.id == mine)
        )
    assert left


def test_only_one_of_many_runs_begins_a_stage(make_job: MakeJob, together: Any) -> None:
    job_id = make_job()
    begun = together(8, lambda: try_begin(Fence(job_id, 1, "intent", uuid4())))
    assert sorted(begun) == [False] * 7 + [True]


def give_up(job_id: str) -> None:
    """Reap a run whose lease has expired."""
    change(job_id, slot="queued", run_token=None, queue_lease_until=now(), epoch=Job.epoch + 1)


def test_a_late_owner_adopts_a_stage_that_has_not_begun_since(make_job: MakeJob) -> None:
    job_id = make_job()
    late = own(job_id, "intent")
    starts = read(job_id).starts
    give_up(job_id)
    with unit_of_work() as session:
        adopted = adopt(session, late, starts)
        assert adopted is not None
        assert adopted.epoch == 2
        fence = replace(late, epoch=adopted.epoch)
        assert checkpoint(session, fence, DONE, {"intent": "coding"})
    assert (read(job_id).stage, read(job_id).epoch) == ("compress", 2)
    assert not try_begin(Fence(job_id, 2, "intent", uuid4()))


def test_a_late_owner_is_refused_once_another_run_has_begun(make_job: MakeJob) -> None:
    job_id = make_job()
    late = own(job_id, "intent")
    starts = read(job_id).starts
    give_up(job_id)
    other = own(job_id, "intent", epoch=2)
    with unit_of_work() as session:
        assert wait(session, other, timedelta(seconds=60), counts=True)
    with unit_of_work() as session:
        assert adopt(session, late, starts) is None


def test_a_run_handed_back_is_due_at_once_and_no_death(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    with unit_of_work() as session:
        assert hand_back(session, [fence.token]) == 1
    job = read(job_id)
    assert (job.slot, job.epoch, job.crash_count) == ("queued", 1, 0)
    assert not attempt("checkpoint", fence)
    assert try_begin(Fence(job_id, 1, "intent", uuid4()))


@pytest.mark.parametrize("stage", STAGES)
def test_a_cancelled_job_ends_at_once_and_takes_no_more_writes(
    make_job: MakeJob, stage: str
) -> None:
    job_id = make_job()
    advance(job_id, stage)
    fence = own(job_id, stage)
    with unit_of_work() as session:
        assert cancel(session, job_id)
    with unit_of_work() as session:
        assert not cancel(session, job_id)
        assert adopt(session, fence, read(job_id).starts) is None
    assert not any(attempt(write, fence) for write in WRITES)
    assert (read(job_id).status, answers(job_id)) == ("cancelled", 0)


def test_a_cancelled_job_keeps_what_was_generated(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    fence = own(job_id, "generate")
    with unit_of_work() as session:
        assert save_partials(session, {fence.token: {"partial": "Half an ans"}}) == {fence.token}
        assert cancel(session, job_id)
        late = {fence.token: {"partial": "Half an answer, too late"}}
        assert save_partials(session, late) == set()
    assert read(job_id).partial == "Half an ans"
