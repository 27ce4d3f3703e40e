"""Find jobs that no worker runs although one should, and queue them again.

Reconcilers may run concurrently: rows are selected with SKIP LOCKED, and every condition is checked
by the database's clock in the transaction that changes the row. The caller commits, then publishes.
Statements that search are built once, since every worker runs them every few seconds. Those that
change what was found are not: they rarely run.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    Select,
    and_,
    any_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from models.conversations import Message
from models.errors import Poison
from models.jobs import Job
from models.lifecycle.after_commit import PendingDispatch
from models.lifecycle.endings import (
    END_COLUMNS,
    conclude,
    end_orphans,
    end_overdue,
    finished,
    orphaned,
    overdue,
)
from models.lifecycle.event_numbers import after_unknown_events
from models.lifecycle.fence import jobs, lost_provider_call, now
from models.lifecycle.leases import lease, queue_lease_s
from models.lifecycle.track_queue import lock_free_conversations

QUEUE_LEASE_MAX_S: Final = 3600
MAX_CRASHES: Final = 5


def end_all_orphans(session: Session, limit: int) -> int:
    """End jobs whose conversation or message was deleted, `limit` at most; returns how many."""
    if session.scalar(_any_orphan_statement()) is None:
        return 0
    lockable = lock_free_conversations(limit, Job.slot.is_not(None), orphaned())
    locked = session.scalars(lockable).all()
    free = or_(Job.conversation_id.is_(None), Job.conversation_id.in_(locked))
    return end_orphans(session, _some(and_(orphaned(), free), limit))


@lru_cache(maxsize=1)
def _any_orphan_statement() -> Select[tuple[str]]:
    return select(Job.id).where(Job.slot.is_not(None), orphaned()).limit(1)


def end_all_overdue(session: Session, limit: int) -> int:
    """End jobs whose deadline has passed, `limit` at most; returns how many."""
    locked = session.scalars(_overdue_statement(limit)).all()
    if not locked:
        return 0
    return end_overdue(session, _some(and_(overdue(), Job.conversation_id.in_(locked)), limit))


@lru_cache(maxsize=4)
def _overdue_statement(limit: int) -> Select[tuple[str]]:
    return lock_free_conversations(limit, overdue())


def reap_expired_leases(session: Session, limit: int, settled: timedelta | None = None) -> int:
    """Requeue stages whose lease expired, under a new epoch; returns how many.

    After five crashes in one stage the job fails (`poison`), since it would crash every worker. No
    lease counts as expired before the database has been up for `settled`, by default a lease's
    length: after an outage all leases look expired, and their owners get the time to extend them.
    """
    known: dict[str, Any] = {"settled": lease() if settled is None else settled}
    poisoned = _poison(session, limit, known)
    known["half_lease"] = queue_lease_s() // 2
    queued = session.scalars(_reap_statement(limit), known).all()
    return poisoned + len(queued)


def _ran_out() -> ColumnElement[bool]:
    up = now() - func.pg_postmaster_start_time() >= bindparam("settled", type_=Interval)
    return and_(Job.slot == "running", Job.lease_until <= now(), up)


def _poisoned() -> ColumnElement[bool]:
    return and_(_ran_out(), Job.crash_count + 1 >= MAX_CRASHES, ~orphaned())


@lru_cache(maxsize=4)
def _poison_statement(limit: int) -> Select[tuple[str]]:
    return lock_free_conversations(limit, _poisoned())


@lru_cache(maxsize=4)
def _reap_statement(limit: int) -> ReturningUpdate[tuple[str]]:
    ran_out, survives = _ran_out(), Job.crash_count + 1 < MAX_CRASHES
    return (
        update(jobs)
        .where(_some(and_(ran_out, survives), limit), ran_out)
        .values(
            slot="queued",
            epoch=Job.epoch + 1,
            sequence=after_unknown_events(),
            crash_count=Job.crash_count + 1,
            paid_duplicates=Job.paid_duplicates + lost_provider_call(),
            run_token=None,
            lease_until=None,
            queue_lease_until=now(),  # due at once, for `take_due`
            queue_lease_s=bindparam("half_lease", type_=Integer),
        )
        .returning(Job.id)
    )


def _poison(session: Session, limit: int, known: Mapping[str, Any]) -> int:
    locked, dead = session.scalars(_poison_statement(limit), known).all(), _poisoned()
    if not locked:
        return 0
    error = func.jsonb_build_object(
        "code", Poison.code,
        "message", f"The job's stage lost its worker {MAX_CRASHES} times.",
        "stage", Job.stage,
        "attempts", Job.attempts,
    )  # fmt: skip
    ended = session.execute(
        update(Job)
        .where(_some(and_(dead, Job.conversation_id.in_(locked)), limit), dead)
        .values(
            **finished("failed"),
            crash_count=Job.crash_count + 1,
            paid_duplicates=Job.paid_duplicates + lost_provider_call(),
            error=error,
        )
        .returning(*END_COLUMNS),
        known,
    ).all()
    return conclude(session, ended)


def take_due(session: Session, limit: int) -> list[PendingDispatch]:
    """Queue jobs whose queue lease or wait expired; returns what to publish, the oldest first.

    The epoch stays, so that a duplicate message is dropped when it begins. A queue lease doubles
    each time, up to an hour, so that a long backlog is not published again and again.
    """
    rows = session.execute(_due_statement(limit), {"first_lease": queue_lease_s()}).all()
    return sorted((PendingDispatch(*row) for row in rows), key=lambda due: due.job_id)


def make_due(session: Session, job_id: str) -> bool:
    """Let the next look take a job that is queued or waiting. False if it is neither."""
    made = (
        update(Job)
        .where(Job.id == job_id, Job.slot.in_(("queued", "waiting")))
        .values(
            queue_lease_until=case((Job.slot == "queued", now()), else_=Job.queue_lease_until),
            next_attempt_at=case((Job.slot == "waiting", now()), else_=Job.next_attempt_at),
        )
    )
    return session.execute(made.returning(Job.id)).first() is not None


def is_due() -> ColumnElement[bool]:
    """True for a job whose message is presumed lost, or whose wait is over."""
    lost = and_(Job.slot == "queued", Job.queue_lease_until <= now())
    return or_(lost, and_(Job.slot == "waiting", Job.next_attempt_at <= now()))


@lru_cache(maxsize=4)
def _due_statement(limit: int) -> ReturningUpdate[tuple[str, int, str, str, int]]:
    due = is_due()
    seconds = case(
        (Job.slot == "queued", func.least(Job.queue_lease_s * 2, QUEUE_LEASE_MAX_S)),
        else_=bindparam("first_lease", type_=Integer),
    )
    return (
        update(jobs)
        .where(_some(due, limit), due, Job.message_id == Message.id)
        .values(
            slot="queued",
            next_attempt_at=None,
            queue_lease_s=seconds,
            queue_lease_until=now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
        )
        .returning(Job.id, Job.epoch, Job.stage, Message.content, Job.lane)
    )


def unpublished(session: Session, job_ids: Collection[str]) -> None:
    """Undo `take_due` for jobs whose message was not published: due again, lease not doubled."""
    session.execute(
        update(Job)
        .where(Job.id.in_(job_ids), Job.slot == "queued", Job.queue_lease_until > now())
        .values(
            queue_lease_until=now(),
            queue_lease_s=func.greatest(Job.queue_lease_s // 2, queue_lease_s() // 2),
        )
    )


def _some(condition: ColumnElement[bool], limit: int) -> ColumnElement[bool]:
    chosen: Any = (
        select(Job.id)
        .where(condition, Job.slot.is_not(None))
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    # With IN, PostgreSQL may run the SELECT again for each row, and so exceed the limit.
    return Job.id == any_(func.array(chosen.scalar_subquery()))
