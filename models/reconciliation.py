"""Find the jobs that nobody works on though somebody should, and queue them again.

Several may do so at once: rows are taken with SKIP LOCKED, and each statement is judged by the
database's clock in the transaction that changes the row. The caller commits, then publishes.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from models.aftermath import Due
from models.behind import hold_free
from models.conversations import Message
from models.endings import (
    ENDED,
    conclude,
    end_orphans,
    end_overdue,
    finished,
    orphaned,
    overdue,
)
from models.fence import beyond_run, now, paid_in_vain
from models.jobs import Job
from models.leases import lease, queue_lease_s

QUEUE_LEASE_MAX_S: Final = 3600
DEATHS_MAX: Final = 5


def end_all_orphans(session: Session, limit: int) -> int:
    """End the jobs whose conversation or message is gone, `limit` at most; how many there were."""
    held = hold_free(session, limit, Job.slot.is_not(None), orphaned())
    free = or_(Job.conversation_id.is_(None), Job.conversation_id.in_(held))
    return end_orphans(session, _some(and_(orphaned(), free), limit))


def end_all_overdue(session: Session, limit: int) -> int:
    """End the jobs whose deadline has passed, `limit` at most; how many there were."""
    held = hold_free(session, limit, overdue())
    if not held:
        return 0
    return end_overdue(session, _some(and_(overdue(), Job.conversation_id.in_(held)), limit))


def bury_dead(session: Session, limit: int, settled: timedelta | None = None) -> int:
    """Give up the runs whose lease ran out: a new epoch, queued at once; how many there were.

    After five deaths at one stage the job has failed: it kills whoever touches it (`poison`).
    Nobody is judged before the database has been up for `settled`, by default a lease's length:
    after an outage every lease looks expired, and its owner gets the time to beat.
    """
    up = now() - func.pg_postmaster_start_time() >= (lease() if settled is None else settled)
    ran_out = and_(Job.slot == "running", Job.lease_until <= now(), up)
    last = Job.deaths + 1 >= DEATHS_MAX
    poisoned = _poison(session, limit, and_(ran_out, last, ~orphaned()))
    queued = session.scalars(
        update(Job)
        .where(_some(and_(ran_out, ~last), limit), ran_out)
        .values(
            slot="queued",
            epoch=Job.epoch + 1,
            sequence=beyond_run(),
            deaths=Job.deaths + 1,
            paid_duplicates=Job.paid_duplicates + paid_in_vain(),
            run_token=None,
            lease_until=None,
            queue_lease_until=now(),  # due at once: `take_due` publishes it
            queue_lease_s=queue_lease_s() // 2,
        )
        .returning(Job.id)
    ).all()
    return poisoned + len(queued)


def _poison(session: Session, limit: int, dead: ColumnElement[bool]) -> int:
    held = hold_free(session, limit, dead)
    if not held:
        return 0
    error = func.jsonb_build_object(
        "code", "poison",
        "message", f"The job's stage was given up for dead {DEATHS_MAX} times.",
        "stage", Job.stage,
        "attempts", Job.attempts,
    )  # fmt: skip
    ended = session.execute(
        update(Job)
        .where(_some(and_(dead, Job.conversation_id.in_(held)), limit), dead)
        .values(
            **finished("failed"),
            deaths=Job.deaths + 1,
            paid_duplicates=Job.paid_duplicates + paid_in_vain(),
            error=error,
        )
        .returning(*ENDED)
    ).all()
    return conclude(session, ended)


def take_due(session: Session, limit: int) -> list[Due]:
    """Queue the jobs whose queue lease or wait ran out; what has to be published, the oldest first.

    The epoch stays, so that a second copy of a message is dropped by its begin. A queue lease
    doubles each time, up to an hour, so that a long backlog is not published over and over.
    """
    lost = and_(Job.slot == "queued", Job.queue_lease_until <= now())
    due = or_(lost, and_(Job.slot == "waiting", Job.next_attempt_at <= now()))
    seconds = case(
        (Job.slot == "queued", func.least(Job.queue_lease_s * 2, QUEUE_LEASE_MAX_S)),
        else_=queue_lease_s(),
    )
    rows = session.execute(
        update(Job)
        .where(_some(due, limit), due, Job.message_id == Message.id)
        .values(
            slot="queued",
            next_attempt_at=None,
            queue_lease_s=seconds,
            queue_lease_until=now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
        )
        .returning(Job.id, Job.epoch, Job.stage, Message.content)
    ).all()
    return sorted((Due(*row) for row in rows), key=lambda due: due.job_id)


def unpublished(session: Session, job_ids: Collection[str]) -> None:
    """Undo `take_due` for jobs whose message did not go out: due still, the lease not doubled."""
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
    return Job.id.in_(chosen)
