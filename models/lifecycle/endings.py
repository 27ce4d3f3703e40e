"""How a job ends: completed, failed, cancelled or overdue; exactly once, in one transaction.

Every end locks the job's conversation first, and concludes: the next job of its track is released
in the same transaction.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Executable,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from config.minds import MANAGER
from models.broadcasts import keep_answer
from models.conversations import Conversation, Message
from models.counters import count
from models.errors import DeadlineExceeded
from models.ids import new_id
from models.jobs import Job
from models.lifecycle.after_commit import after_commit
from models.lifecycle.event_numbers import after_unknown_events, next_number
from models.lifecycle.fence import (
    Fence,
    jobs,
    json_literal,
    no_owner,
    noting,
    now,
    owned_by_bound,
)
from models.lifecycle.track_queue import lock_conversations, release
from models.spend import settle
from models.spent import NOTHING, Spent, added_now
from models.stage_record import StageRecord
from models.webhook_deliveries import add_events, has_webhooks

# What `conclude` needs to know about a job that has ended.
END_COLUMNS: Final = (
    Job.id,
    Job.user_id,
    Job.status,
    Job.conversation_id,
    Job.paid_duplicates,
    Job.reserved_usd,
    has_webhooks(jobs).label("has_webhooks"),
)
# The columns that contain text of the conversation.
UNSAID: Final[Mapping[str, Any]] = {
    "prompt": None,
    "answer": None,
    "partial": None,
    "options": {},
}


def fail(
    session: Session,
    fence: Fence,
    code: str,
    message: str,
    record: StageRecord,
    sequence: int | None = None,
    spent: Spent = NOTHING,
) -> bool:
    """End the job as failed, with a stable code. False if the fence no longer holds.

    Args:
        session: its transaction is the caller's to commit.
        fence: the run that owns the stage.
        code: one of `docs/errors.md`.
        message: what the client reads.
        record: the stage's record for the receipt.
        sequence: the number of the job's last event, its end; by default the next one.
        spent: added to the job's costs.
    """
    error = {"code": code, "message": message, "stage": fence.stage}
    lock_conversations(session, Job.id == fence.job_id)
    ended = session.execute(
        update(Job)
        .where(fence.owned(), ~orphaned())
        .values(
            **finished("failed", sequence),
            error=json_literal(error).op("||")(
                func.jsonb_build_object("attempts", Job.attempts + 1)
            ),
            stages=noting(fence.stage, record),
            **added_now(spent),
        )
        .returning(*END_COLUMNS)
    ).all()
    if not ended:
        end_orphans(session, Job.id == fence.job_id)
    return conclude(session, ended) == 1


def complete(
    session: Session, fence: Fence, record: StageRecord, sequence: int | None = None
) -> bool:
    """End the job as completed and store its answer, exactly once. False if the fence no longer
    holds.

    One statement locks the conversation, runs the fenced UPDATE and inserts the message. A merged
    answer becomes the one that every track continues from. `record` and `sequence` as in `fail`.
    """
    note, answer_id = {fence.stage: record.stored()}, new_id("msg")
    values = {"note": note, "at_sequence": sequence, "answer_id": answer_id}
    job = session.execute(_complete_statement(), fence.values() | values).one_or_none()
    if job is None:
        end_orphans(session, Job.id == fence.job_id)
        return False
    if job.mind == MANAGER and job.broadcast_id is not None:
        keep_answer(session, job.broadcast_id, fence.job_id)
    conclude(session, [job])
    return True


@lru_cache(maxsize=1)
def _complete_statement() -> Executable:
    """Built once: building it costs more CPU than running it.

    `done` reads `touched`, so that the conversation is locked before the job. If either was locked
    by another transaction, PostgreSQL checks the fence once more on the row that this has left.
    """
    conversations = cast(Table, Conversation.__table__)
    touched = (
        update(conversations)
        .where(
            jobs.c.id == bindparam("job_id"),
            jobs.c.run_token == bindparam("token"),
            conversations.c.id == jobs.c.conversation_id,
        )
        .values(updated_at=now())
        .returning(conversations.c.id)
        .cte("touched")
    )
    unknown = next_number(after_unknown_events())
    sequence = func.coalesce(bindparam("at_sequence", type_=BigInteger), unknown)
    done = (
        update(jobs)
        .where(
            owned_by_bound(),
            jobs.c.answer.is_not(None),
            jobs.c.message_id.is_not(None),
            jobs.c.conversation_id == touched.c.id,
        )
        .values(
            **finished("completed", sequence),
            stages=jobs.c.stages.op("||")(bindparam("note", type_=jobs.c.stages.type)),
        )
        .returning(*END_COLUMNS, Job.mind, Job.answer, Job.broadcast_id)
        .cte("done")
    )
    told = [*(done.c[column.key] for column in END_COLUMNS), done.c.mind, done.c.broadcast_id]
    return select(*told).add_cte(answer_of(done))


def answer_of(done: CTE) -> CTE:
    """The INSERT of a completed job's answer, with the id `answer_id`; `done` returns the job."""
    messages = cast(Table, Message.__table__)
    answer = {
        "id": bindparam("answer_id", type_=messages.c.id.type),
        "conversation_id": done.c.conversation_id,
        "user_id": done.c.user_id,
        "role": literal("assistant", messages.c.role.type),
        "mind": done.c.mind,
        "job_id": done.c.id,
        "content": done.c.answer,
    }
    inserted = insert(messages).from_select(list(answer), select(*answer.values()))
    return inserted.cte("said")


def cancel(session: Session, job_id: str) -> bool:
    """End an unfinished job as cancelled, whatever it is doing. False if it has already ended.

    A running stage loses its run token, so that its checkpoint matches no row.
    """
    lock_conversations(session, Job.id == job_id)
    return cancel_all(session, Job.id == job_id) == 1


def cancel_all(session: Session, *which: ColumnElement[bool]) -> int:
    """End the unfinished ones of these jobs as cancelled; returns how many. The caller has locked
    their conversations."""
    chosen = select(Job.id).where(*which, Job.slot.is_not(None)).order_by(Job.id)
    locked = chosen.with_for_update(key_share=True)
    ended = session.execute(
        update(Job)
        .where(Job.id.in_(locked), Job.slot.is_not(None))
        .values(**finished("cancelled"))
        .returning(*END_COLUMNS)
    ).all()
    return conclude(session, ended)


def orphaned() -> ColumnElement[bool]:
    """True for a job whose conversation or message was deleted, so that it can have no answer."""
    return or_(Job.conversation_id.is_(None), Job.message_id.is_(None))


def end_orphans(session: Session, *which: ColumnElement[bool]) -> int:
    """End the orphaned ones of these jobs as cancelled, and erase their texts; returns how many.

    The caller has locked their conversations.
    """
    ended = session.execute(
        update(Job)
        .where(*which, Job.slot.is_not(None), orphaned())
        .values(**finished("cancelled"), **UNSAID)
        .returning(*END_COLUMNS)
    ).all()
    return conclude(session, ended)


def overdue() -> ColumnElement[bool]:
    """True for a job whose deadline has passed, unless it is running or only has to be stored."""
    return and_(
        Job.slot.in_(("queued", "waiting", "blocked", "held")),
        Job.expires_at <= now(),
        Job.stage != "persist",
    )


def end_overdue(session: Session, *which: ColumnElement[bool]) -> int:
    """End the overdue ones of these jobs; returns how many.

    A job that never started is `expired`, others `failed`. A job with a running stage is left as it
    is, and so is one whose answer only has to be stored. The caller has locked the conversations.
    """
    error = func.jsonb_build_object(
        "code", DeadlineExceeded.code,
        "message", "The job did not finish by its deadline.",
        "stage", Job.stage,
        "attempts", Job.attempts,
    )  # fmt: skip
    status = case((Job.started_at.is_(None), "expired"), else_="failed")
    ended = session.execute(
        update(Job)
        .where(*which, overdue())
        .values(**finished(status), error=error)
        .returning(*END_COLUMNS)
    ).all()
    return conclude(session, ended)


def conclude(session: Session, ended: Sequence[Any]) -> int:
    """Do what every end does besides its UPDATE, for the rows that it returned; returns how many.

    Only now is it certain what was paid for twice: a late owner can't adopt a finished job.
    """
    if not ended:
        return 0
    noted = after_commit(session)
    noted.ended.extend(job.id for job in ended)
    noted.cancelled.extend(job.id for job in ended if job.status == "cancelled")
    if notified := [job.id for job in ended if job.has_webhooks]:
        noted.webhooks.extend(add_events(session, notified))
    count(session, "paid_duplicates", sum(job.paid_duplicates for job in ended))
    conversations = {job.conversation_id for job in ended if job.conversation_id is not None}
    release(session, conversations, {job.user_id for job in ended})
    if reserving := [job.id for job in ended if job.reserved_usd is not None]:
        settle(session, reserving)  # last, since it locks what all jobs of a user share
    return len(ended)


def finished(
    status: str | ColumnElement[str], sequence: int | ColumnElement[int] | None = None
) -> dict[str, Any]:
    """The columns of a job that ends with this status; its end is the event `sequence`."""
    return {
        "status": status,
        "slot": None,
        "completed_at": now(),
        "queue_lease_until": None,
        "next_attempt_at": None,
        "sequence": next_number(after_unknown_events()) if sequence is None else sequence,
        **no_owner(),
    }
