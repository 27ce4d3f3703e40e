"""Cancels a user's unfinished jobs that match a filter, a batch in a transaction."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, case, select
from sqlalchemy.orm import Session

from models.jobs import BULK, SLOTS, Job
from models.lifecycle.endings import cancel_all
from models.lifecycle.track_queue import lock_conversations


def matching(
    user_id: str,
    *,
    status: str | None = None,
    priority: str | None = None,
    conversation_id: str | None = None,
    broadcast_id: str | None = None,
    before: datetime | None = None,
    ids: Collection[str] | None = None,
) -> Select[tuple[str]]:
    """The ids of a user's unfinished jobs that match every argument that is not None; `before` is
    a time before which they were created.

    Those that an end would release come first, so that none is released only to be cancelled.
    """
    query = select(Job.id).where(Job.user_id == user_id, Job.slot.in_(SLOTS))
    if status is not None:
        query = query.where(Job.status == status)
    if priority is not None:
        query = query.where(Job.lane == BULK if priority == "bulk" else Job.lane < BULK)
    if conversation_id is not None:
        query = query.where(Job.conversation_id == conversation_id)
    if broadcast_id is not None:
        query = query.where(Job.broadcast_id == broadcast_id)
    if before is not None:
        query = query.where(Job.created_at < before)
    if ids is not None:
        query = query.where(Job.id.in_(ids))
    return query.order_by(case((Job.slot.in_(("held", "blocked")), 0), else_=1), Job.id)


def cancel_batch(session: Session, which: Select[tuple[str]], limit: int) -> tuple[int, int]:
    """Cancel the first of these jobs, `limit` at most; returns how many were found, and how many of
    them were cancelled: others may have ended meanwhile."""
    found = session.scalars(which.limit(limit)).all()
    if not found:
        return 0, 0
    lock_conversations(session, Job.id.in_(found))
    return len(found), cancel_all(session, Job.id.in_(found))
