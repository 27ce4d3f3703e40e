"""Deletes what is old: conversations that nobody has touched for so long, with their messages,
broadcasts and jobs; and jobs of that age whose conversation was deleted before.

What is left are figures that name nobody (`models/job_minutes.py`).
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, CursorResult, Delete, and_, delete, func, select
from sqlalchemy.orm import Session

from models.conversations import Conversation
from models.ids import first_id_at
from models.jobs import Job

SEEN_AT_ONCE: Final = 500
ROWS: Final = 100


def expire_conversations(session: Session, age: timedelta, after: str = "") -> str | None:
    """Delete the untouched ones of the next conversations, in the order of their ids; those that
    are locked, or have an unfinished job, are left.

    Args:
        age: since the last job's end, or the last change.
        after: the conversation to continue after.

    Returns:
        Where to continue; None after the last.
    """
    created_before = first_id_at("conv", datetime.now(UTC) - age)
    old = select(Conversation.id).where(Conversation.id > after, Conversation.id < created_before)
    ids = session.scalars(old.order_by(Conversation.id).limit(SEEN_AT_ONCE)).all()
    untouched = select(Conversation.id).where(Conversation.id.in_(ids), _untouched(age))
    some = untouched.order_by(Conversation.id).limit(ROWS).with_for_update(skip_locked=True)
    expired = session.scalars(some).all()
    # Only now that they are locked can no job be added to them.
    busy = select(Job.conversation_id).where(
        Job.conversation_id.in_(expired), Job.completed_at.is_(None)
    )
    idle = set(expired) - set(session.scalars(busy))
    _delete(session, delete(Job).where(Job.conversation_id.in_(idle)))
    _delete(session, delete(Conversation).where(Conversation.id.in_(idle)))
    if len(expired) == ROWS:
        return expired[-1]
    return ids[-1] if len(ids) == SEEN_AT_ONCE else None


def expire_jobs(session: Session, age: timedelta) -> int:
    """Delete some old jobs whose conversation was deleted; returns how many."""
    old = select(Job.id).where(Job.conversation_id.is_(None), Job.completed_at < func.now() - age)
    some = old.order_by(Job.completed_at).limit(ROWS).with_for_update(skip_locked=True)
    return _delete(session, delete(Job).where(Job.id.in_(some)))


def _untouched(age: timedelta) -> ColumnElement[bool]:
    recent = select(Job.id).where(
        Job.conversation_id == Conversation.id, Job.completed_at >= func.now() - age
    )
    unfinished = select(Job.id).where(
        Job.conversation_id == Conversation.id, Job.completed_at.is_(None)
    )
    return and_(Conversation.updated_at < func.now() - age, ~recent.exists(), ~unfinished.exists())


def _delete(session: Session, statement: Delete) -> int:
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], done).rowcount
