"""Deletes a user and all that is his: his access at once, his jobs and texts in batches; or ends
his access alone.

The first transaction ends his access and frees his external id. The others cancel what is
unfinished, then delete. They are small, so that none holds locks for long; if whoever deletes dies
in between, a worker goes on (`tasks/worker/sweeper.py`).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    CursorResult,
    Delete,
    Table,
    column,
    delete,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from models.api_keys import ApiKey
from models.audit import SYSTEM, Actor, record
from models.base import Base
from models.browser_sessions import BrowserSession, SignInLink
from models.conversations import Conversation
from models.deleted_users import end_tokens, lock_name
from models.jobs import Job
from models.lifecycle.endings import cancel_all
from models.lifecycle.track_queue import lock_conversations
from models.statement import Runner, Statement
from models.users import User
from models.webhook_deliveries import WebhookDelivery
from models.webhooks import DISABLED, Webhook

ROWS: Final = 100
# A conversation takes its messages along.
CONVERSATIONS: Final = 10
DELIVERIES: Final = 1000


def begin_deletion(session: Session, external_id: str, by: Actor = SYSTEM) -> str | None:
    """End a user's access, and mark the user as deleted; returns the id, or None for an unknown
    user. Tokens that were issued before create no user of this name any more.

    Notify the web processes of it after the commit (`announce_revocation`), which end the user's
    streams and waits.
    """
    lock_name(session, external_id)
    end_tokens(session, external_id)
    user_id = session.scalar(
        update(User)
        .where(User.external_id == external_id)
        # No external id has a space, so that nobody is found by this one.
        .values(external_id=literal("deleted ") + User.id, deleted_at=func.now())
        .returning(User.id)
        .execution_options(synchronize_session=False)
    )
    if user_id is not None:
        _end_access(session, user_id)
        record(session, "user.deleted", user_id, by=by, user_id=user_id)
    return user_id


def ban(session: Session, user_id: str, external_id: str, by: Actor) -> None:
    """End a user's access, and let no token that was issued before open anything any more. What is
    his stays. Notify the web processes after the commit, as of a deletion."""
    end_tokens(session, external_id)
    _end_access(session, user_id)
    record(session, "user.banned", user_id, by=by, user_id=user_id)


def _end_access(session: Session, user_id: str) -> None:
    """Delete a user's keys, sessions and sign-in links, and notify no webhook any more.

    A call that creates one at the same time ends before it, or finds the access ended
    (`lock_access`).
    """
    session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    mine = update(Webhook).where(Webhook.user_id == user_id)
    session.execute(mine.values(disabled_at=func.now(), disabled_reason=DISABLED))
    for kind in (BrowserSession, SignInLink, ApiKey):
        session.execute(delete(kind).where(kind.user_id == user_id))


def deleted_users(connection: Runner, limit: int) -> Sequence[str]:
    """The ids of users whose deletion has begun and not ended."""
    return [row[0] for row in _deleted_statement(limit).rows(connection, {})]


@lru_cache(maxsize=2)
def _deleted_statement(limit: int) -> Statement:
    return Statement(select(User.id).where(User.deleted_at.is_not(None)).limit(limit))


def delete_some(session: Session, user_id: str) -> int:
    """Cancel some of a deleted user's jobs, or delete some of what is left; returns the number of
    rows. Once nothing is left it deletes the user, and returns 0."""
    for step in (_cancel, _delete_jobs, _delete_conversations, _delete_deliveries, _delete_others):
        if done := step(session, user_id):
            return done
    session.execute(delete(User).where(User.id == user_id, User.deleted_at.is_not(None)))
    return 0


def _cancel(session: Session, user_id: str) -> int:
    """The newest first: the end of a job releases the next one of its track."""
    unfinished = select(Job.id).where(Job.user_id == user_id, Job.slot.is_not(None))
    ids = session.scalars(unfinished.order_by(Job.id.desc()).limit(ROWS)).all()
    if not ids:
        return 0
    lock_conversations(session, Job.id.in_(ids))
    cancel_all(session, Job.id.in_(ids))
    return len(ids)


def _delete_jobs(session: Session, user_id: str) -> int:
    ended = select(Job.id).where(Job.user_id == user_id, Job.slot.is_(None))
    some = ended.order_by(Job.id).limit(ROWS).with_for_update(skip_locked=True)
    return _number(session, delete(Job).where(Job.id.in_(some)))


def _delete_conversations(session: Session, user_id: str) -> int:
    mine = select(Conversation.id).where(Conversation.user_id == user_id)
    some = mine.order_by(Conversation.id).limit(CONVERSATIONS).with_for_update(skip_locked=True)
    return _number(session, delete(Conversation).where(Conversation.id.in_(some)))


def _delete_deliveries(session: Session, user_id: str) -> int:
    mine = select(Webhook.id).where(Webhook.user_id == user_id)
    key = tuple_(WebhookDelivery.webhook_id, WebhookDelivery.event_id)
    sent = select(WebhookDelivery.webhook_id, WebhookDelivery.event_id)
    some = sent.where(WebhookDelivery.webhook_id.in_(mine)).limit(DELIVERIES)
    return _number(session, delete(WebhookDelivery).where(key.in_(some)))


def _delete_others(session: Session, user_id: str) -> int:
    """Some rows of any other table that refers to users."""
    row: Any = column("ctid")
    for table in _tables_of_users():
        mine = select(row).select_from(table).where(table.c.user_id == user_id).limit(ROWS)
        if done := _number(session, delete(table).where(row.in_(mine))):
            return done
    return 0


def _tables_of_users() -> list[Table]:
    """The tables whose rows are one user's, those that others refer to last."""
    users = cast(Table, User.__table__)
    return [
        table
        for table in reversed(Base.metadata.sorted_tables)
        if "user_id" in table.c
        and any(key.references(users) for key in table.c.user_id.foreign_keys)
    ]


def _number(session: Session, statement: Delete) -> int:
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], done).rowcount
