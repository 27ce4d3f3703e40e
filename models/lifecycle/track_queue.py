"""Jobs behind another of their track: who holds the track, and who is let go when it is free.

A track is what a conversation and a mind share. Whoever adds a job to one, or ends one, first locks
its conversation, so that no release can miss a job that is just being accepted. Conversations are
locked before jobs, always, so that no two wait for each other.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, any_, bindparam, exists, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import String

from models.conversations import Conversation, Message
from models.jobs import Job
from models.lifecycle.after_commit import PendingDispatch, after_commit
from models.lifecycle.fence import jobs, now
from models.lifecycle.leases import queue_lease, queue_lease_s


def on_track(
    conversation_id: str | ColumnElement[str], mind: str | ColumnElement[str]
) -> ColumnElement[bool]:
    """True of the unfinished jobs of a track."""
    return and_(Job.conversation_id == conversation_id, Job.mind == mind, Job.slot.is_not(None))


def lock_conversations(session: Session, *which: ColumnElement[bool]) -> None:
    """Lock the conversations of these jobs until the transaction ends, in the order of their ids.

    Those of running statements are waited for. A conversation that is gone locks nothing.
    """
    session.execute(_conversations(select(Job.conversation_id).where(*which)))


def lock_free_conversations(limit: int, *which: ColumnElement[bool]) -> Select[tuple[str]]:
    """A statement that locks the conversations of these jobs, `limit` at most, but for those that
    somebody else holds: nobody is waited for. It gives their ids."""
    wanted = select(Job.conversation_id).where(*which).limit(limit)
    return _conversations(wanted, skip_locked=True)


def release(session: Session, conversation_ids: Collection[str]) -> int:
    """Queue the oldest job of each track of these conversations that nobody is on; how many.

    The caller holds the conversations; they are dispatched after the commit.
    """
    rows = session.execute(_release_statement(), {"conversation_ids": list(conversation_ids)})
    released = [PendingDispatch(*row) for row in rows]
    after_commit(session).released.extend(released)
    return len(released)


def release_forgotten(session: Session, limit: int) -> int:
    """Queue the jobs behind nobody, whose predecessor went without an end; how many.

    That takes somebody who changes the tables by hand, or a worker of an older version.
    """
    locked = session.scalars(_forgotten_statement(limit)).all()
    return release(session, locked) if locked else 0


@lru_cache(maxsize=4)
def _forgotten_statement(limit: int) -> Select[tuple[str]]:
    behind, ahead = aliased(Job), aliased(Job)
    forgotten = Job.id.in_(
        select(behind.id).where(behind.slot == "behind", ~_is_ahead(ahead, behind))
    )
    return lock_free_conversations(limit, Job.slot == "behind", forgotten)


def _conversations(wanted: Select[Any], *, skip_locked: bool = False) -> Select[tuple[str]]:
    return (
        select(Conversation.id)
        .where(Conversation.id.in_(wanted))
        .order_by(Conversation.id)
        .with_for_update(key_share=True, skip_locked=skip_locked)
    )


def _is_ahead(ahead: Any, behind: Any) -> ColumnElement[bool]:
    return exists().where(
        ahead.conversation_id == behind.conversation_id,
        ahead.mind == behind.mind,
        ahead.slot.in_(("queued", "running", "waiting")),
    )


@lru_cache(maxsize=1)
def _release_statement() -> Update:
    """Built once, since it ends every job; where nobody is behind it looks at an empty index."""
    behind, ahead = aliased(Job), aliased(Job)
    wanted = bindparam("conversation_ids", type_=ARRAY(String))
    track = (behind.conversation_id, behind.mind)
    oldest = (
        select(behind.id)
        .distinct(*track)
        .where(
            behind.slot == "behind",
            behind.conversation_id == any_(wanted),
            behind.message_id.is_not(None),
            ~_is_ahead(ahead, behind),
        )
        .order_by(*track, behind.created_at, behind.id)
    )
    messages = Message.__table__
    return (
        update(jobs)
        .where(jobs.c.id.in_(oldest), jobs.c.slot == "behind", messages.c.id == jobs.c.message_id)
        .values(
            slot="queued",
            queue_lease_until=now() + queue_lease(),
            queue_lease_s=queue_lease_s(),
        )
        .returning(jobs.c.id, jobs.c.epoch, jobs.c.stage, messages.c.content)
    )
