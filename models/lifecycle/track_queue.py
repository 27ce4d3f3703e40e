"""The queue of jobs on a track: a job blocks the later ones, and its end releases the next.

A track is one mind's part of a conversation. A transaction that adds a job to a track, or ends one,
locks the conversation first, so that no release misses a job that is just being accepted.
Conversations are always locked before jobs, to avoid deadlocks.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    and_,
    any_,
    bindparam,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import String

from models.conversations import Conversation
from models.jobs import Job
from models.lifecycle.after_commit import PendingDispatch, after_commit
from models.lifecycle.fence import jobs
from models.lifecycle.shares import EACH_USER, IN_FLIGHT, freed, queued, share_values, users_held


def on_track(
    conversation_id: str | ColumnElement[str], mind: str | ColumnElement[str]
) -> ColumnElement[bool]:
    """True for the unfinished jobs of a track."""
    unfinished = Job.completed_at.is_(None)  # what the index of unfinished jobs has
    return and_(
        Job.conversation_id == conversation_id, Job.mind == mind, Job.slot.is_not(None), unfinished
    )


def lock_conversations(session: Session, *which: ColumnElement[bool]) -> None:
    """Lock the conversations of these jobs until the transaction ends, in the order of their ids.

    Waits for those that are locked. A deleted conversation is ignored.
    """
    session.execute(_conversations(select(Job.conversation_id).where(*which)))


def lock_free_conversations(limit: int, *which: ColumnElement[bool]) -> Select[tuple[str]]:
    """A statement that locks the conversations of these jobs, `limit` at most, and returns their
    ids. It skips those that are locked instead of waiting."""
    wanted = select(Job.conversation_id).where(*which).limit(limit)
    return _conversations(wanted, skip_locked=True)


def release(
    session: Session, conversation_ids: Collection[str], user_ids: Collection[str] = ()
) -> int:
    """Queue the oldest job of each free track of these conversations, and of the held jobs of these
    users those that fit into their shares; returns how many.

    The caller has locked the conversations, and locks nothing more: the held jobs are those of
    other conversations, which stay unlocked. The jobs are dispatched after the commit.
    """
    values = {"conversation_ids": list(conversation_ids), "user_ids": sorted(user_ids)}
    rows = session.execute(_release_statement(), values | share_values())
    released = [PendingDispatch(*row) for row in rows]
    after_commit(session).released.extend(released)
    return len(released)


def release_stranded(session: Session, limit: int) -> int:
    """Queue the blocked jobs whose track is free and the held ones that fit into their users'
    shares, and return how many there were.

    Blocked ones are left if rows were changed by hand, held ones as `users_held` says.
    """
    locked = session.scalars(_stranded_statement(limit)).all()
    users = users_held(session, limit)
    return release(session, locked, users) if locked or users else 0


@lru_cache(maxsize=4)
def _stranded_statement(limit: int) -> Select[tuple[str]]:
    blocked, ahead = jobs.alias().c, jobs.alias().c
    stranded = Job.id.in_(
        select(blocked.id).where(blocked.slot == "blocked", ~is_ahead(ahead, blocked))
    )
    return lock_free_conversations(limit, Job.slot == "blocked", stranded)


def _conversations(wanted: Select[Any], *, skip_locked: bool = False) -> Select[tuple[str]]:
    return (
        select(Conversation.id)
        .where(Conversation.id.in_(wanted))
        .order_by(Conversation.id)
        .with_for_update(key_share=True, skip_locked=skip_locked)
    )


def is_ahead(ahead: Any, blocked: Any) -> ColumnElement[bool]:
    """True for a blocked job with another job ahead of it on its track."""
    return exists().where(
        ahead.conversation_id == blocked.conversation_id,
        ahead.mind == blocked.mind,
        ahead.slot.in_((*IN_FLIGHT, "held")),
        ahead.completed_at.is_(None),
    )


@lru_cache(maxsize=1)
def _release_statement() -> Executable:
    """Built once, since it ends every job; if no job is blocked or held, it reads empty indexes. Of
    tables only: the ORM copies a statement that names a class, at every execution."""
    unblocked = queued(update(jobs).where(jobs.c.id.in_(_oldest()))).cte("unblocked")
    wanted = func.unnest(bindparam("user_ids", type_=ARRAY(String))).column_valued("user_id")
    users = select(wanted).subquery("users")
    # This statement does not see in flight what it has unblocked itself.
    mine = unblocked.c.user_id == EACH_USER
    more = select(func.count()).select_from(unblocked).where(mine).scalar_subquery()
    pending = ("id", "epoch", "stage", "content", "lane")
    held = freed(users, -more)
    return select(*unblocked.c[pending]).union_all(select(*held.c[pending]))


def _oldest() -> Select[tuple[str]]:
    """The oldest job of each free track of the conversations `conversation_ids`."""
    blocked, ahead = jobs.alias().c, jobs.alias().c
    wanted = bindparam("conversation_ids", type_=ARRAY(String))
    track = (blocked.conversation_id, blocked.mind)
    return (
        select(blocked.id)
        .distinct(*track)
        .where(
            blocked.slot == "blocked",
            blocked.completed_at.is_(None),
            blocked.conversation_id == any_(wanted),
            blocked.message_id.is_not(None),
            ~is_ahead(ahead, blocked),
        )
        .order_by(*track, blocked.created_at, blocked.id)
    )
