"""The handover: a checkpoint that begins a later stage, on the real SQL."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, update

from models.conversations import Message
from models.jobs import STAGES, Job, after
from models.lifecycle.endings import cancel
from models.lifecycle.fence import Fence, now
from models.lifecycle.handover import hand_over, requeue_unstarted
from models.lifecycle.transitions import begin, checkpoint
from models.session import unit_of_work
from models.spent import NOTHING, Spent
from models.stage_record import StageRecord

from .conftest import MakeJob, advance, own, read

DONE = StageRecord(status="completed", ms=1)
SHORT = StageRecord(status="skipped", reason="short", ms=0)
PAID = Spent(3, 5, Decimal("0.25"))


def following(fence: Fence) -> Fence:
    """The run that is to own the next stage."""
    stage = after(fence.stage)
    assert stage is not None
    return replace(fence, stage=stage, token=uuid4())


def try_hand_over(
    fence: Fence, to: Fence, *, columns: dict[str, Any] | None = None, spent: Spent = NOTHING
) -> Spent | None:
    began = read(fence.job_id).sequence + 2
    with unit_of_work() as session:
        return hand_over(session, fence, to, {fence.stage: DONE}, columns or {}, began, spent)


def try_begin(fence: Fence) -> bool:
    with unit_of_work() as session:
        return begin(session, fence) is not None


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_a_stage_that_is_handed_over_is_running_under_its_new_token(
    make_job: MakeJob, stage: str
) -> None:
    job_id = make_job()
    advance(job_id, stage)
    fence = own(job_id, stage)
    before, to = read(job_id), following(fence)
    assert try_hand_over(fence, to, columns={"answer": "Yes."}) is not None
    job = read(job_id)
    assert (job.stage, job.slot, job.status) == (to.stage, "running", "in_progress")
    assert (job.run_token, job.starts, job.answer) == (to.token, before.starts + 1, "Yes.")
    assert job.lease_until is not None
    assert job.sequence == before.sequence + 2
    assert job.stages[stage] == DONE.stored()
    assert job.stages[to.stage] == {"status": "running", "began": job.sequence}


def test_what_is_handed_over_is_what_a_checkpoint_and_a_begin_leave(make_job: MakeJob) -> None:
    handed, queued = make_job(), make_job()
    jobs = []
    for job_id in (handed, queued):
        advance(job_id, "compress")
        fence = own(job_id, "compress")
        change(job_id, attempts=2, crash_count=1, partial="A part")
        to, columns = following(fence), {"prompt": "Brief", "tokens_saved": 2}
        if job_id == handed:
            assert try_hand_over(fence, to, columns=columns, spent=PAID) == PAID
        else:
            with unit_of_work() as session:
                assert checkpoint(session, fence, DONE, columns, spent=PAID) == PAID
            assert try_begin(to)
        jobs.append(vars(read(job_id)))
    own_values = {"id", "conversation_id", "message_id", "run_token", "_sa_instance_state"}
    times = {"created_at", "started_at", "expires_at", "lease_until"}
    same = jobs[0].keys() - own_values - times
    assert {name: jobs[0][name] for name in same} == {name: jobs[1][name] for name in same}


def test_no_message_begins_a_stage_that_was_handed_over(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    to = following(fence)
    assert try_hand_over(fence, to) is not None
    for stage in STAGES:
        assert not try_begin(Fence(job_id, 1, stage, uuid4()))
    assert (read(job_id).run_token, read(job_id).starts) == (to.token, 2)


def test_a_handover_tried_again_with_the_same_tokens_is_the_same_handover(
    make_job: MakeJob,
) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    fence = own(job_id, "generate")
    to, began = following(fence), read(job_id).sequence + 3
    for _ in range(2):
        with unit_of_work() as session:
            columns = {"answer": "Yes."}
            assert hand_over(session, fence, to, {"generate": DONE}, columns, began, PAID) == PAID
    job = read(job_id)
    assert (job.starts, job.sequence, job.run_token) == (4, began, to.token)


def test_a_stage_may_be_skipped_on_the_way(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    to = replace(fence, stage="generate", token=uuid4())
    with unit_of_work() as session:
        records = {"intent": DONE, "compress": SHORT}
        assert hand_over(session, fence, to, records, {"intent": "coding"}, 7) == NOTHING
    job = read(job_id)
    assert (job.stage, job.starts, job.intent, job.text_base) == ("generate", 3, "coding", 8)
    assert job.stages["compress"] == SHORT.stored()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda job_id: change(job_id, run_token=uuid4()),
        lambda job_id: change(job_id, epoch=2),
        lambda job_id: change(job_id, slot="queued", run_token=None, queue_lease_until=now()),
    ],
    ids=["another run", "another epoch", "handed back"],
)
def test_a_run_that_lost_its_stage_hands_nothing_over(
    make_job: MakeJob, spoil: Callable[[str], None]
) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    spoil(job_id)
    assert try_hand_over(fence, following(fence)) is None
    assert (read(job_id).stage, read(job_id).starts) == ("intent", 1)


def test_a_job_that_has_ended_is_not_handed_over(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    with unit_of_work() as session:
        assert cancel(session, job_id)
    assert try_hand_over(fence, following(fence)) is None
    assert read(job_id).status == "cancelled"


@pytest.mark.parametrize(("stage", "begins"), [("compress", False), ("generate", True)])
def test_past_its_deadline_only_an_answer_is_handed_over(
    make_job: MakeJob, stage: str, begins: bool
) -> None:
    job_id = make_job()
    advance(job_id, stage)
    fence = own(job_id, stage)
    change(job_id, expires_at=now() - timedelta(seconds=1))
    columns = {"answer": "Yes."}
    assert (try_hand_over(fence, following(fence), columns=columns) is not None) == begins
    with unit_of_work() as session:
        assert (checkpoint(session, fence, DONE, columns) is None) == begins


def test_a_job_without_its_message_is_not_handed_over(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    with unit_of_work() as session:
        session.execute(delete(Message).where(Message.id == read(job_id).message_id))
    assert try_hand_over(fence, following(fence)) is None


def test_a_stage_given_back_before_it_started_costs_nothing_and_begins_again(
    make_job: MakeJob,
) -> None:
    job_id = make_job()
    advance(job_id, "compress")
    fence = own(job_id, "compress")
    to = following(fence)
    assert try_hand_over(fence, to) is not None
    with unit_of_work() as session:
        assert requeue_unstarted(session, to)
    job = read(job_id)
    assert (job.slot, job.run_token, job.paid_duplicates) == ("queued", None, 0)
    assert try_begin(Fence(job_id, 1, "generate", uuid4()))
    with unit_of_work() as session:
        assert not requeue_unstarted(session, to)
    assert read(job_id).slot == "running"
