"""The queue of jobs on a track: a job blocks the later ones, and its end releases the next.

A track is one mind's part of a conversation. A transaction that adds a job to a track, or ends one,
locks the conversation first, so that no release misses a job that is just being accepted.
Conversations are always locked before jobs, to avoid deadlocks.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Update,
    and_,
    any_,
    bindparam,
    exists,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import String

from models.conversations import Conversation, Message
from models.jobs import Job
from models.lifecycle.after_commit import PendingDispatch, after_commit
from models.lifecycle.fence import jobs, now
from models.lifecycle.leases import queue_lease, queue_lease_s


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


def release(session: Session, conversation_ids: Collection[str]) -> int:
    """Queue the oldest job of each free track of these conversations; returns how many.

    The caller has locked the conversations. The jobs are dispatched after the commit.
    """
    rows = session.execute(_release_statement(), {"conversation_ids": list(conversation_ids)})
    released = [PendingDispatch(*row) for row in rows]
    after_commit(session).released.extend(released)
    return len(released)


def release_stranded(session: Session, limit: int) -> int:
    """Queue the blocked jobs whose track is free, and return how many there were.

    Such jobs are left if rows were changed by hand, or if a worker of the previous release, which
    does not know the slot `blocked`, ended the job ahead of them.
    """
    locked = session.scalars(_stranded_statement(limit)).all()
    return release(session, locked) if locked else 0


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
        ahead.slot.in_(("queued", "running", "waiting")),
        ahead.completed_at.is_(None),
    )


@lru_cache(maxsize=1)
def _release_statement() -> Update:
    """Built once, since it ends every job; if no job is blocked, it reads an empty index. Of tables
    only: the ORM copies a statement that names a class, at every execution."""
    blocked, ahead = jobs.alias().c, jobs.alias().c
    wanted = bindparam("conversation_ids", type_=ARRAY(String))
    track = (blocked.conversation_id, blocked.mind)
    oldest = (
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
    messages = cast(Table, Message.__table__)
    return (
        update(jobs)
        .where(jobs.c.id.in_(oldest), jobs.c.slot == "blocked", messages.c.id == jobs.c.message_id)
        .values(
            slot="queued",
            queue_lease_until=now() + queue_lease(),
            queue_lease_s=queue_lease_s(),
        )
        .returning(jobs.c.id, jobs.c.epoch, jobs.c.stage, messages.c.content)
    )
