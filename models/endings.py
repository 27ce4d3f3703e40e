"""How a job ends: completed, failed, cancelled or overdue; once, and in its own transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, case, func, update
from sqlalchemy.orm import Session

from config.minds import MANAGER
from models.broadcasts import keep_answer
from models.conversations import Conversation, Message
from models.fence import Fence, beyond_run, hits, json_literal, no_owner, noting, now, rows_of
from models.ids import new_id
from models.jobs import Job


def fail(
    session: Session,
    fence: Fence,
    code: str,
    message: str,
    line: Mapping[str, Any],
    sequence: int | None = None,
) -> bool:
    """End the job as failed, with a stable code. False: fenced off.

    `sequence` is the number of the job's last event, that of its end; without one, the next.
    """
    error = {"code": code, "message": message, "stage": fence.stage}
    return hits(
        session,
        update(Job)
        .where(fence.owned())
        .values(
            **finished("failed", sequence),
            error=json_literal(error).op("||")(
                func.jsonb_build_object("attempts", Job.attempts + 1)
            ),
            stages=noting(fence.stage, line),
        ),
    )


def complete(
    session: Session, fence: Fence, line: Mapping[str, Any], sequence: int | None = None
) -> bool:
    """End the job as completed and store its answer, exactly once. False: fenced off.

    A merged answer is kept as the one that every track goes on from. First the fenced UPDATE, then
    the rest: a caller who gets False must roll back, though nothing was written. `sequence`: as
    above.
    """
    job = session.execute(
        update(Job)
        .where(fence.owned(), Job.answer.is_not(None))
        .values(**finished("completed", sequence), stages=noting(fence.stage, line))
        .returning(Job.conversation_id, Job.mind, Job.answer, Job.broadcast_id)
    ).one_or_none()
    if job is None:
        return False
    if job.mind == MANAGER and job.broadcast_id is not None:
        keep_answer(session, job.broadcast_id, fence.job_id)
    session.add(
        Message(
            id=new_id("msg"),
            conversation_id=job.conversation_id,
            role="assistant",
            mind=job.mind,
            job_id=fence.job_id,
            content=job.answer,
        )
    )
    session.execute(
        update(Conversation).where(Conversation.id == job.conversation_id).values(updated_at=now())
    )
    return True


def cancel(session: Session, job_id: str) -> bool:
    """End an unfinished job as cancelled, whatever it is doing. False: it has ended already.

    A running stage loses its token with it, so that its checkpoint finds no row.
    """
    return hits(
        session,
        update(Job).where(Job.id == job_id, Job.slot.is_not(None)).values(**finished("cancelled")),
    )


def end_overdue(session: Session, *which: ColumnElement[bool]) -> int:
    """End those of the jobs whose deadline has passed; how many there were.

    Never started, a job is `expired`, else `failed`. One with a running stage is left alone, and
    one whose answer only has to be stored.
    """
    error = func.jsonb_build_object(
        "code", "deadline_exceeded",
        "message", "The job did not finish by its deadline.",
        "stage", Job.stage,
        "attempts", Job.attempts,
    )  # fmt: skip
    return rows_of(
        session,
        update(Job)
        .where(
            *which,
            Job.slot.in_(("queued", "waiting")),
            Job.expires_at <= now(),
            Job.stage != "persist",
        )
        .values(
            **finished(case((Job.started_at.is_(None), "expired"), else_="failed")), error=error
        ),
    )


def finished(
    status: str | ColumnElement[str], sequence: int | ColumnElement[int] | None = None
) -> dict[str, Any]:
    """The columns of a job that has ended with this status; its end is the event `sequence`."""
    return {
        "status": status,
        "slot": None,
        "completed_at": now(),
        "queue_lease_until": None,
        "next_attempt_at": None,
        "sequence": beyond_run() + 1 if sequence is None else sequence,
        **no_owner(),
    }
