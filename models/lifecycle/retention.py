"""Deletes what is old: jobs that ended so long ago, with their messages and answers, in a
conversation that is still used too; and conversations without a job that nobody has touched.

What is left are figures that name nobody (`models/job_minutes.py`), and the user's usage by day.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Delete, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from models.conversations import Conversation, Message
from models.ids import first_id_at
from models.jobs import Job
from models.usage import UsageProgress

SEEN_AT_ONCE: Final = 500
ROWS: Final = 100
UNSYNCHRONIZED: Final = {"synchronize_session": False}


def expire_jobs(session: Session, age: timedelta) -> int:
    """Delete the jobs that ended first, if they are so old and in their users' usage; and the
    messages that have no other job. Those of a locked conversation are left.

    Args:
        age: since the job's end.

    Returns:
        How many jobs were deleted.
    """
    counted = select(UsageProgress.until).scalar_subquery()
    old = select(Job.id, Job.conversation_id).where(
        Job.completed_at < func.now() - age, Job.completed_at < counted
    )
    found = session.execute(old.order_by(Job.completed_at).limit(ROWS)).all()
    # While a conversation is locked, no job is added for one of its messages.
    here = _lock(session, Conversation.id.in_({row.conversation_id for row in found}))
    gone = delete(Job).where(
        Job.id.in_([row.id for row in found]),
        or_(Job.conversation_id.is_(None), Job.conversation_id.in_(here)),
    )
    messages = session.scalars(gone.returning(Job.message_id), execution_options=UNSYNCHRONIZED)
    ids = messages.all()
    if ids:
        unused = ~select(Job.id).where(Job.message_id == Message.id).exists()
        asked = {message_id for message_id in ids if message_id is not None}
        _delete(session, delete(Message).where(Message.id.in_(asked), unused))
    return len(ids)


def expire_conversations(session: Session, age: timedelta, after: str = "") -> str | None:
    """Delete the untouched ones of the next conversations, in the order of their ids; those that
    are locked, or have a job, are left.

    Args:
        age: since the last change.
        after: the conversation to continue after.

    Returns:
        Where to continue; None after the last.
    """
    created_before = first_id_at("conv", datetime.now(UTC) - age)
    old = select(Conversation.id).where(Conversation.id > after, Conversation.id < created_before)
    ids = session.scalars(old.order_by(Conversation.id).limit(SEEN_AT_ONCE)).all()
    untouched = Conversation.updated_at < func.now() - age
    some = _lock(session, and_(Conversation.id.in_(ids), untouched, ~_has_job()), ROWS)
    # Only now that they are locked can no job be added to them.
    idle = (Conversation.id.in_(some), ~_has_job())
    _delete(session, delete(Conversation).where(*idle))
    if len(some) == ROWS:
        return some[-1]
    return ids[-1] if len(ids) == SEEN_AT_ONCE else None


def _lock(session: Session, which: ColumnElement[bool], limit: int | None = None) -> list[str]:
    """Lock conversations, but for those that are locked already; returns their ids."""
    found = select(Conversation.id).where(which).order_by(Conversation.id).limit(limit)
    return list(session.scalars(found.with_for_update(skip_locked=True)))


def _has_job() -> ColumnElement[bool]:
    return select(Job.id).where(Job.conversation_id == Conversation.id).exists()


def _delete(session: Session, statement: Delete) -> None:
    session.execute(statement, execution_options=UNSYNCHRONIZED)
