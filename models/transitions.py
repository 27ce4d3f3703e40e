"""How a job moves: every transition is one fenced UPDATE on the database's clock.

A fence names what must still be true for a write to count: the stage, the epoch, and the run token
of whoever owns the running stage. An UPDATE that hits no row means that somebody else was there
first, and the caller drops his work. The session's owner commits.

    queued --begin--> running --checkpoint--> queued (the next stage)
                         |-----wait---------> waiting --requeue--> queued
                         |-----complete, fail--> finished, in no slot
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Executable,
    Float,
    Table,
    and_,
    bindparam,
    case,
    extract,
    func,
    literal,
    or_,
    update,
)
from sqlalchemy.orm import Session

from models.conversations import Conversation, Message
from models.ids import new_id
from models.jobs import Job, after
from models.leases import lease, queue_lease, queue_lease_s

now = func.clock_timestamp


jobs = cast(Table, Job.__table__)


@dataclass(frozen=True)
class Begun:
    """What a stage that has begun is told of its job; `remaining_s` until the deadline."""

    mind: str
    message: str
    prompt: str | None
    intent: str | None
    attempts: int
    starts: int
    remaining_s: float


@dataclass(frozen=True)
class Fence:
    """Which run of which stage of which job a write belongs to."""

    job_id: str
    epoch: int
    stage: str
    token: UUID

    def values(self) -> dict[str, Any]:
        """Its parts, as the parameters of a statement."""
        return {
            "job_id": self.job_id,
            "at_epoch": self.epoch,
            "at_stage": self.stage,
            "token": self.token,
        }

    def owned(self) -> ColumnElement[bool]:
        """True of the job's row while this run owns the stage."""
        return and_(
            Job.id == self.job_id,
            Job.epoch == self.epoch,
            Job.stage == self.stage,
            Job.run_token == self.token,
            Job.slot == "running",
        )


def begin(session: Session, fence: Fence) -> Begun | None:
    """Own the stage, unless its message is stale, doubled or late: then None.

    A begin that is tried again with the same token is the same begin. A job whose deadline has
    passed is not begun but ended here, unless its answer only has to be stored.
    """
    values = {**fence.values(), "note": {fence.stage: {"status": "running"}}}
    row = session.execute(_begin_statement(), values).one_or_none()
    if row is None:
        end_overdue(session, Job.id == fence.job_id, Job.epoch == fence.epoch)
        return None
    return Begun(*row)


@lru_cache(maxsize=1)
def _begin_statement() -> Executable:
    """Built once: building it costs more CPU than running it."""
    again = and_(jobs.c.slot == "running", jobs.c.run_token == bindparam("token"))
    return (
        update(jobs)
        .where(
            jobs.c.id == bindparam("job_id"),
            jobs.c.epoch == bindparam("at_epoch"),
            jobs.c.stage == bindparam("at_stage"),
            or_(jobs.c.slot == "queued", again),
            or_(jobs.c.expires_at > now(), jobs.c.stage == "persist"),
            Message.__table__.c.id == jobs.c.message_id,
        )
        .values(
            status="in_progress",
            slot="running",
            run_token=bindparam("token"),
            lease_until=now() + lease(),
            queue_lease_until=None,
            starts=case((again, jobs.c.starts), else_=jobs.c.starts + 1),
            started_at=func.coalesce(jobs.c.started_at, now()),
            stages=jobs.c.stages.op("||")(bindparam("note", type_=jobs.c.stages.type)),
        )
        .returning(
            jobs.c.mind,
            Message.__table__.c.content,
            jobs.c.prompt,
            jobs.c.intent,
            jobs.c.attempts,
            jobs.c.starts,
            extract("epoch", jobs.c.expires_at - now()).cast(Float),
        )
    )


def checkpoint(
    session: Session, fence: Fence, line: Mapping[str, Any], columns: Mapping[str, Any]
) -> bool:
    """Write a stage's result and queue the next stage, in one UPDATE. False: fenced off.

    `line` goes to the receipt, `columns` are what later stages need.
    """
    statement = _checkpoint_statement(fence.stage, tuple(columns))
    values = {**fence.values(), "note": {fence.stage: dict(line)}}
    values |= {f"set_{name}": value for name, value in columns.items()}
    return cast(CursorResult[Any], session.execute(statement, values)).rowcount == 1


@lru_cache(maxsize=64)
def _checkpoint_statement(stage: str, columns: tuple[str, ...]) -> Executable:
    return (
        update(jobs)
        .where(
            jobs.c.id == bindparam("job_id"),
            jobs.c.epoch == bindparam("at_epoch"),
            jobs.c.stage == bindparam("at_stage"),
            jobs.c.run_token == bindparam("token"),
            jobs.c.slot == "running",
        )
        .values(
            stage=after(stage),
            slot="queued",
            queue_lease_until=now() + queue_lease(),
            queue_lease_s=queue_lease_s(),
            attempts=0,
            deaths=0,
            partial=None,
            stages=jobs.c.stages.op("||")(bindparam("note", type_=jobs.c.stages.type)),
            **_no_owner(),
            **{name: bindparam(f"set_{name}", type_=jobs.c[name].type) for name in columns},
        )
    )


def adopt(session: Session, fence: Fence, starts: int) -> int | None:
    """Own a stage again whose lease was given up, so that its result is not lost; the job's epoch.

    None: somebody else has begun the stage since (`starts` is that of this run), or the job has
    ended. The stage's message may be in the broker: the checkpoint that follows lets it be dropped.
    What was counted as a paid duplicate is none.
    """
    epoch: int | None = session.scalar(
        update(Job)
        .where(
            Job.id == fence.job_id,
            Job.stage == fence.stage,
            Job.slot.in_(("queued", "waiting")),
            Job.starts == starts,
        )
        .values(
            slot="running",
            run_token=fence.token,
            lease_until=now() + lease(),
            starts=Job.starts + 1,
            paid_duplicates=func.greatest(Job.paid_duplicates - paid_in_vain(), 0),
        )
        .returning(Job.epoch)
    )
    return epoch


def hand_back(session: Session, tokens: Collection[UUID]) -> int:
    """Give up the runs of a process that must end now; due at once, no death. How many."""
    return _count(
        session,
        update(Job)
        .where(Job.run_token.in_(tokens), Job.slot == "running")
        .values(
            slot="queued",
            queue_lease_until=now(),
            queue_lease_s=queue_lease_s() // 2,
            paid_duplicates=Job.paid_duplicates + paid_in_vain(),
            **_no_owner(),
        ),
    )


def save_partial(session: Session, fence: Fence, text: str) -> bool:
    """Keep what a running stage has made so far. False: fenced off."""
    return _hits(session, update(Job).where(fence.owned()).values(partial=text))


def wait(session: Session, fence: Fence, delay: timedelta, *, counts: bool) -> bool:
    """Give the stage back until `delay` has passed. False: fenced off.

    `counts`: whether this was an attempt that failed; an open breaker is none.
    """
    return _hits(
        session,
        update(Job)
        .where(fence.owned())
        .values(
            slot="waiting",
            next_attempt_at=now() + delay,
            attempts=Job.attempts + (1 if counts else 0),
            stages=_noting(fence.stage, {"status": "pending"}),
            **_no_owner(),
        ),
    )


def fail(session: Session, fence: Fence, code: str, message: str, line: Mapping[str, Any]) -> bool:
    """End the job as failed, with a stable code. False: fenced off."""
    error = {"code": code, "message": message, "stage": fence.stage}
    return _hits(
        session,
        update(Job)
        .where(fence.owned())
        .values(
            **finished("failed"),
            error=_json(error).op("||")(func.jsonb_build_object("attempts", Job.attempts + 1)),
            stages=_noting(fence.stage, line),
        ),
    )


def complete(session: Session, fence: Fence, line: Mapping[str, Any]) -> bool:
    """End the job as completed and store its answer, exactly once. False: fenced off.

    First the fenced UPDATE, then the message: a caller who gets False must roll back, though
    nothing was written.
    """
    job = session.execute(
        update(Job)
        .where(fence.owned(), Job.answer.is_not(None))
        .values(**finished("completed"), stages=_noting(fence.stage, line))
        .returning(Job.conversation_id, Job.mind, Job.answer)
    ).one_or_none()
    if job is None:
        return False
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
    return _hits(
        session,
        update(Job).where(Job.id == job_id, Job.slot.is_not(None)).values(**finished("cancelled")),
    )


def extend_leases(session: Session, tokens: Collection[UUID]) -> set[UUID]:
    """Extend the leases of the runs that still own their stage; the tokens of those."""
    owned = session.scalars(
        update(Job)
        .where(Job.run_token.in_(tokens), Job.slot == "running")
        .values(lease_until=now() + lease())
        .returning(Job.run_token)
    )
    return {token for token in owned if token is not None}


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
    return _count(
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


def finished(status: str | ColumnElement[str]) -> dict[str, Any]:
    """The columns of a job that has ended with this status."""
    return {
        "status": status,
        "slot": None,
        "completed_at": now(),
        "queue_lease_until": None,
        "next_attempt_at": None,
        **_no_owner(),
    }


def paid_in_vain() -> ColumnElement[int]:
    """1 for a stage whose call to a provider was probably paid for, though its answer is lost."""
    return case((Job.stage == "generate", 1), else_=0)


def _no_owner() -> dict[str, None]:
    return {"run_token": None, "lease_until": None}


def _noting(stage: str, line: Mapping[str, Any]) -> ColumnElement[Any]:
    return Job.stages.op("||")(_json({stage: dict(line)}))


def _json(value: dict[str, Any]) -> ColumnElement[Any]:
    return literal(value, Job.stages.type)


def _hits(session: Session, statement: Executable) -> bool:
    return _count(session, statement) == 1


def _count(session: Session, statement: Executable) -> int:
    return cast(CursorResult[Any], session.execute(statement)).rowcount
