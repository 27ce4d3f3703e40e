"""The completion of a job by the checkpoint of generate, on the real SQL."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, text, update

from models.conversations import Conversation, Message
from models.jobs import Job
from models.lifecycle.completion import complete_at_once
from models.lifecycle.endings import cancel, complete, fail
from models.lifecycle.fence import Fence, now
from models.lifecycle.handover import hand_over
from models.lifecycle.transitions import begin
from models.session import statements, unit_of_work
from models.spent import Spent
from models.stage_record import StageRecord
from tasks.jobs.commands import retry
from tasks.jobs.submission import Submission, accept

from .conftest import MakeJob, advance, read

DONE = StageRecord(status="completed", ms=1)
PAID = Spent(3, 5, Decimal("0.25"))
SET = {"answer": "Yes.", "finish_reason": "stop", "text_base": 5}
END = 20


def generating(job_id: str) -> tuple[Fence, datetime | None]:
    """Begin generate; returns its fence, and when the conversation was last changed if no job
    waited then."""
    advance(job_id, "generate")
    fence = Fence(job_id, 1, "generate", uuid4())
    with unit_of_work() as session:
        found = begin(session, fence)
    assert found is not None
    return fence, found.alone_since


def alone(job_id: str) -> tuple[Fence, datetime]:
    fence, since = generating(job_id)
    assert since is not None
    return fence, since


def try_complete(
    fence: Fence, since: datetime, answer_id: str | None = None, reserved: Decimal | None = None
) -> Spent | None:
    records = {"generate": DONE, "persist": DONE}
    with statements() as connection:
        completion = complete_at_once(
            connection,
            fence,
            records,
            SET,
            END,
            alone=since,
            answer_id=answer_id or f"msg_{uuid4()}",
            spent=PAID,
            reserved=reserved,
        )
    return None if completion is None else completion.spent


def answers(job_id: str) -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(Message.content).where(Message.job_id == job_id)))


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def test_it_leaves_what_a_handover_and_a_completion_leave(make_job: MakeJob) -> None:
    at_once, in_two, jobs, said = make_job(), make_job(), [], []
    for job_id in (at_once, in_two):
        fence, since = alone(job_id)
        change(job_id, attempts=2, crash_count=1, partial="A part")
        if job_id == at_once:
            assert try_complete(fence, since) == PAID
        else:
            to = replace(fence, stage="persist", token=uuid4())
            with unit_of_work() as session:
                records = {"generate": DONE}
                assert hand_over(session, fence, to, records, SET, END - 2, PAID) == PAID
                assert complete(session, to, DONE, END)
        jobs.append(vars(read(job_id)))
        with unit_of_work() as session:
            said.append(vars(session.scalars(select(Message).filter_by(job_id=job_id)).one()))
    own = {"id", "conversation_id", "message_id", "position", "job_id", "_sa_instance_state"}
    times = {"created_at", "started_at", "expires_at", "completed_at"}
    for one, other in (jobs, said):
        same = one.keys() - own - times
        assert {name: one[name] for name in same} == {name: other[name] for name in same}
    assert jobs[0]["completed_at"] is not None


def test_tried_again_with_the_same_answer_it_is_the_same(make_job: MakeJob) -> None:
    job_id, answer_id = make_job(), f"msg_{uuid4()}"
    fence, since = alone(job_id)
    assert [try_complete(fence, since, answer_id) for _ in range(2)] == [PAID, PAID]
    assert try_complete(fence, since) is None
    job = read(job_id)
    assert (job.status, job.sequence, job.cost_usd) == ("completed", END, PAID.cost_usd)
    assert answers(job_id) == ["Yes."]


def lose_its_message(job_id: str) -> None:
    with unit_of_work() as session:
        session.execute(delete(Message).where(Message.id == read(job_id).message_id))


def lose_its_conversation(job_id: str) -> None:
    with unit_of_work() as session:
        session.execute(delete(Conversation).where(Conversation.id == read(job_id).conversation_id))


def end(job_id: str) -> None:
    with unit_of_work() as session:
        assert cancel(session, job_id)


def hand_back(job_id: str) -> None:
    change(job_id, slot="queued", run_token=None, queue_lease_until=now())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda job_id: change(job_id, run_token=uuid4()),
        lambda job_id: change(job_id, epoch=2),
        lambda job_id: change(job_id, paid_duplicates=1),
        hand_back,
        end,
        lose_its_message,
        lose_its_conversation,
    ],
    ids=["run", "epoch", "duplicate", "handed back", "ended", "no message", "no conversation"],
)
def test_only_the_run_of_a_whole_job_completes_it(
    make_job: MakeJob, spoil: Callable[[str], None]
) -> None:
    job_id = make_job()
    fence, since = alone(job_id)
    spoil(job_id)
    before = read(job_id)
    assert try_complete(fence, since) is None
    after = read(job_id)
    assert (after.status, after.stage, after.answer) == (before.status, before.stage, before.answer)
    assert answers(job_id) == []


def test_a_job_for_which_another_waits_when_it_begins_is_not_alone(make_job: MakeJob) -> None:
    first = make_job()
    make_job(conversation_id=read(first).conversation_id)
    assert generating(first)[1] is None


def test_a_job_of_another_mind_waits_for_none(make_job: MakeJob) -> None:
    sage = make_job(mind="sage")
    for _ in range(2):
        make_job(mind="muse", conversation_id=read(sage).conversation_id)
    fence, since = alone(sage)
    assert try_complete(fence, since) == PAID


def test_a_job_that_comes_to_wait_meanwhile_is_not_passed_over(make_job: MakeJob) -> None:
    first = make_job()
    fence, since = alone(first)
    second = make_job(conversation_id=read(first).conversation_id)
    assert read(second).slot == "blocked"
    assert try_complete(fence, since) is None
    assert read(first).slot == "running"


def test_a_job_that_is_just_being_accepted_is_not_passed_over(
    make_job: MakeJob, until: Any
) -> None:
    first = make_job()
    fence, since = alone(first)
    row, found = read(first), list[Spent | None]()
    racer = Thread(target=lambda: found.append(try_complete(fence, since)))
    with unit_of_work() as session:
        second = accept(session, Submission(row.user_id, "And?", row.conversation_id)).id
        racer.start()
        until(waits_for_a_lock)
    racer.join()
    assert found == [None]
    assert (read(first).slot, read(second).slot) == ("running", "blocked")


def waits_for_a_lock() -> bool:
    with unit_of_work() as session:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(session.scalar(waiting))


def test_a_job_that_is_retried_meanwhile_is_not_passed_over(make_job: MakeJob) -> None:
    failed = make_job()
    fence, _ = generating(failed)
    with unit_of_work() as session:
        assert fail(session, fence, "internal", "It broke.", DONE)
    running = make_job(conversation_id=read(failed).conversation_id)
    fence, since = alone(running)
    with unit_of_work() as session:
        waiting = retry(session, read(failed).user_id, failed).id
    assert read(waiting).slot == "blocked"
    assert try_complete(fence, since) is None
