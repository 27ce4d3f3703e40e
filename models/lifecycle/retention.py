"""Deletes what is old: jobs that ended so long ago, with their messages and answers, in a
conversation that is still used too; and conversations without a job that nobody has touched.

What is left are figures that name nobody (`models/job_minutes.py`), and the user's usage by day.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Delete,
    and_,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from models.conversations import TITLE_CHARS, Conversation, Message, titles_of
from models.ids import first_id_at
from models.jobs import Job
from models.usage import UsageProgress

SEEN_AT_ONCE: Final = 500
ROWS: Final = 100
UNSYNCHRONIZED: Final = {"synchronize_session": False}
# What `str.strip` removes.
WHITE_SPACE: Final = "".join(filter(str.isspace, map(chr, range(1, 0x3001))))


class ConversationBatch(NamedTuple):
    """How many conversations were deleted or counted; where to continue, None after the last."""

    conversations: int
    after: str | None


def expire_jobs(session: Session, age: timedelta) -> int:
    """Delete the jobs that ended first, if they are so old and in their users' usage; and the
    messages that have no other job, with the titles that are their beginnings. Those of a locked
    conversation are left.

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
    # The jobs that continue them lose their `previous_id`. They are locked in the order of their
    # ids, as heartbeats do.
    continuing = select(Job.id).where(Job.previous_id.in_([row.id for row in found]))
    session.execute(continuing.order_by(Job.id).with_for_update(key_share=True))
    gone = delete(Job).where(
        Job.id.in_([row.id for row in found]),
        or_(Job.conversation_id.is_(None), Job.conversation_id.in_(here)),
    )
    messages = session.scalars(gone.returning(Job.message_id), execution_options=UNSYNCHRONIZED)
    ids = messages.all()
    if ids:
        unused = ~select(Job.id).where(Job.message_id == Message.id).exists()
        asked = {message_id for message_id in ids if message_id is not None}
        _delete_messages(session, Message.id.in_(asked) & unused)
    return len(ids)


def expire_conversations(session: Session, age: timedelta, after: str = "") -> ConversationBatch:
    """Delete the untouched ones of the next conversations, in the order of their ids; those that
    are locked, or have a job, are left.

    Args:
        age: since the last change.
        after: the conversation to continue after.
    """
    ids = _next_old(session, age, after)
    untouched = Conversation.updated_at < func.now() - age
    some = _lock(session, and_(Conversation.id.in_(ids), untouched, ~_has_job()), ROWS)
    # Only now that they are locked can no job be added to them.
    idle = (Conversation.id.in_(some), ~_has_job())
    deleted = _delete(session, delete(Conversation).where(*idle))
    return ConversationBatch(deleted, some[-1] if len(some) == ROWS else _continue(ids))


def count_old_jobs(session: Session, before: datetime) -> int:
    """How many jobs have ended before a moment: by the index of their ends."""
    old = select(func.count()).select_from(Job).where(Job.completed_at < before)
    return session.scalars(old).one()


def look_at_conversations(session: Session, age: timedelta, after: str = "") -> ConversationBatch:
    """Count those that `expire_conversations` would delete once all old jobs are."""
    ids = _next_old(session, age, after)
    ended = func.now() - age
    kept = or_(Job.completed_at.is_(None), Job.completed_at >= ended)
    busy = select(Job.id).where(Job.conversation_id == Conversation.id, kept).exists()
    counted = select(func.count()).select_from(Conversation)
    which = (Conversation.id.in_(ids), Conversation.updated_at < ended, ~busy)
    return ConversationBatch(session.scalars(counted.where(*which)).one(), _continue(ids))


def _next_old(session: Session, age: timedelta, after: str) -> list[str]:
    """The next conversations that were created so long ago."""
    created_before = first_id_at("conv", datetime.now(UTC) - age)
    old = select(Conversation.id).where(Conversation.id > after, Conversation.id < created_before)
    return list(session.scalars(old.order_by(Conversation.id).limit(SEEN_AT_ONCE)))


def _continue(ids: list[str]) -> str | None:
    return ids[-1] if len(ids) == SEEN_AT_ONCE else None


def _lock(session: Session, which: ColumnElement[bool], limit: int | None = None) -> list[str]:
    """Lock conversations, but for those that are locked already; returns their ids."""
    found = select(Conversation.id).where(which).order_by(Conversation.id).limit(limit)
    return list(session.scalars(found.with_for_update(skip_locked=True)))


def _delete_messages(session: Session, which: ColumnElement[bool]) -> None:
    """Delete messages of locked conversations, and the titles that were taken from them."""
    beginning = func.left(func.ltrim(Message.content, WHITE_SPACE), TITLE_CHARS)
    gone = (
        delete(Message)
        .where(which)
        .returning(Message.conversation_id, beginning.label("beginning"))
    )
    found = session.execute(gone, execution_options=UNSYNCHRONIZED).all()
    titles = {(row.conversation_id, title) for row in found for title in titles_of(row.beginning)}
    same = tuple_(Conversation.id, Conversation.title).in_(sorted(titles))
    without = update(Conversation).where(same).values(title=None)
    session.execute(without, execution_options=UNSYNCHRONIZED)


def _has_job() -> ColumnElement[bool]:
    return select(Job.id).where(Job.conversation_id == Conversation.id).exists()


def _delete(session: Session, statement: Delete) -> int:
    done = session.execute(statement, execution_options=UNSYNCHRONIZED)
    return cast(CursorResult[Any], done).rowcount
