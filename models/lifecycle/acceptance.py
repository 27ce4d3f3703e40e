"""Inserts what an accepted message consists of: its conversation, itself, and its job.

A first message is one statement: each INSERT reads its parent's id from the one before. Statements
are built once, and bring no object into the session.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    CTE,
    ColumnElement,
    Insert,
    Interval,
    Table,
    Text,
    bindparam,
    case,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.orm import Session

from models.conversations import ON_BUSY, Conversation, Message
from models.idempotency import Claim, claimed_key, key_lock
from models.jobs import STAGES, Job
from models.lifecycle.fence import jobs, now
from models.lifecycle.leases import queue_lease, queue_lease_s
from models.lifecycle.shares import (
    admitted_lane,
    admitted_slot,
    in_flight_before,
    share_values,
)
from models.statement import Runner, Statement

conversations = cast(Table, Conversation.__table__)
messages = cast(Table, Message.__table__)

# What is the same in every new job.
FRESH: Final[Mapping[str, Any]] = {
    "status": "queued", "stage": STAGES[0], "epoch": 1,
    "attempts": 0, "starts": 0, "crash_count": 0,
    "stages": {}, "sequence": 1, "restarts": 0,
    "input_tokens": 0, "output_tokens": 0, "tokens_saved": 0,
    "cost_usd": Decimal(0), "paid_duplicates": 0,
}  # fmt: skip
GIVEN: Final = (
    "id", "user_id", "broadcast_id", "previous_id", "mind", "metadata", "options",
    "webhook_url", "request_id", "traceparent", "slot", "lane", "queue_lease_s", "reserved_usd",
    "budget_month",
)  # fmt: skip


def add_first_message(session: Session, user_id: str, title: str, message: Message) -> None:
    """Insert a conversation of this user and its first message, which has its id."""
    values = {"title": title, **_said(user_id, message)}
    session.execute(_first_message_statement(), values)


def add_further_message(session: Session, user_id: str, message: Message) -> bool:
    """Insert a message into a conversation of this user. False if the user has no such one.

    The conversation is locked from now on.
    """
    return bool(session.execute(_further_message_statement(), _said(user_id, message)).all())


def add_job(
    session: Session, message: Message, slot: str, time_left: timedelta, **columns: Any
) -> Job:
    """Insert a job for a message that exists. Returns it, outside of the session.

    A job to be queued is held instead, if its user's share is in flight. `lane` is FIRST or BULK.
    """
    values = _job_values(slot, time_left, columns)
    values |= {"at_conversation": message.conversation_id, "at_message": message.id}
    return _job(message, values, session.execute(_job_statement(), values).one())


def add_first_job(
    where: Runner,
    title: str,
    message: Message,
    time_left: timedelta,
    **columns: Any,
) -> Job:
    """`add_first_message` and `add_job` in one statement. No other job can be on its track."""
    values = _first_job_values(title, message, time_left, columns)
    return _job(message, values, _first_job_statement().rows(where, values)[0])


def claim_first_job(
    connection: Runner,
    claim_of: Callable[[Job], Claim],
    title: str,
    message: Message,
    time_left: timedelta,
    **columns: Any,
) -> Job | None:
    """`add_first_job` and the key under which it was submitted, in one statement. None if the key
    is taken, or locked by another transaction.

    Args:
        claim_of: gets the job with times that are not the final ones.
    """
    values = _first_job_values(title, message, time_left, columns)
    at = datetime.now(UTC)
    draft = _job(message, values, (at, at + time_left, None, "queued", values["new_lane"]))
    values |= claim_of(draft).values()
    rows = _claimed_job_statement().rows(connection, values)
    return _job(message, values, rows[0]) if rows else None


def _said(user_id: str, message: Message) -> dict[str, Any]:
    return {
        "at_user": user_id,
        "at_conversation": message.conversation_id,
        "at_message": message.id,
        "text": message.content,
    }


def _first_job_values(
    title: str, message: Message, time_left: timedelta, columns: dict[str, Any]
) -> dict[str, Any]:
    values = _job_values("queued", time_left, columns)
    return values | {"title": title, **_said(columns["user_id"], message)}


def _job_values(slot: str, time_left: timedelta, columns: dict[str, Any]) -> dict[str, Any]:
    given = columns | {"slot": slot, "queue_lease_s": queue_lease_s()}
    values = {f"new_{name}": given.get(name) for name in GIVEN}
    return values | share_values() | {"queue_lease": queue_lease(), "time_left": time_left}


def _job(message: Message, values: dict[str, Any], decided: Any) -> Job:
    given = {name: values[f"new_{name}"] for name in GIVEN}
    given["meta"] = given.pop("metadata")
    created_at, expires_at, queue_lease_until, given["slot"], given["lane"] = decided
    return Job(
        conversation_id=message.conversation_id,
        message_id=message.id,
        created_at=created_at,
        expires_at=expires_at,
        queue_lease_until=queue_lease_until,
        **given,
        **FRESH,
    )


@lru_cache(maxsize=1)
def _first_message_statement() -> Insert:
    return _insert_message(_new_conversation())


@lru_cache(maxsize=1)
def _further_message_statement() -> Insert:
    # The row is locked by its UPDATE, so that positions have the order of the locks.
    used = (
        update(conversations)
        .where(
            conversations.c.id == bindparam("at_conversation"),
            conversations.c.user_id == bindparam("at_user"),
        )
        .values(updated_at=now())
        .returning(conversations.c.id)
    )
    return _insert_message(used.cte("conversation"))


@lru_cache(maxsize=1)
def _job_statement() -> Insert:
    ids = (jobs.c.conversation_id, jobs.c.message_id)
    named = zip(("at_conversation", "at_message"), ids, strict=True)
    return _insert_job(*(bindparam(name, type_=column.type) for name, column in named))


@lru_cache(maxsize=1)
def _first_job_statement() -> Statement:
    message = _insert_message(_new_conversation()).cte("message")
    return Statement(_insert_job(message.c.conversation_id, message.c.id))


@lru_cache(maxsize=1)
def _claimed_job_statement() -> Statement:
    """Everything has the time that its key's answer shows, and depends on the key's row."""
    moment = select(now().label("at"), key_lock().label("locked")).cte("moment")
    left = bindparam("time_left", type_=Interval)
    key = claimed_key(moment, moment.c.at, moment.c.at + left)
    row: dict[str, ColumnElement[Any]] = {
        "id": bindparam("at_conversation", type_=conversations.c.id.type),
        "user_id": key.c.user_id,
        "title": bindparam("title", type_=conversations.c.title.type),
        "on_busy": literal(ON_BUSY[0], conversations.c.on_busy.type),
        "created_at": key.c.created_at,
    }
    added = insert(conversations).from_select(list(row), select(*row.values()))
    conversation = added.returning(conversations.c.id, conversations.c.created_at).cte(
        "conversation"
    )
    message = _insert_message(conversation, conversation.c.created_at)
    said = message.returning(messages.c.created_at).cte("message")
    return Statement(_insert_job(said.c.conversation_id, said.c.id, said.c.created_at))


def _new_conversation() -> CTE:
    added = insert(conversations).values(
        id=bindparam("at_conversation"),
        user_id=bindparam("at_user"),
        title=bindparam("title"),
        on_busy=ON_BUSY[0],
    )
    return added.returning(conversations.c.id).cte("conversation")


def _insert_message(conversation: CTE, at: ColumnElement[Any] | None = None) -> Insert:
    row: dict[str, ColumnElement[Any]] = {
        "id": bindparam("at_message", type_=messages.c.id.type),
        "conversation_id": conversation.c.id,
        "user_id": bindparam("at_user", type_=messages.c.user_id.type),
        "role": literal("user", messages.c.role.type),
        "content": bindparam("text", type_=Text),
    }
    row |= {} if at is None else {"created_at": at}
    added = insert(messages).from_select(list(row), select(*row.values()), include_defaults=False)
    return added.returning(messages.c.id, messages.c.conversation_id)


def _insert_job(
    conversation_id: ColumnElement[Any],
    message_id: ColumnElement[Any],
    at: ColumnElement[Any] | None = None,
) -> Insert:
    row: dict[str, ColumnElement[Any]] = {
        name: bindparam(f"new_{name}", type_=jobs.c[name].type) for name in GIVEN
    }
    row |= {name: literal(value, jobs.c[name].type) for name, value in FRESH.items()}
    in_flight, beyond = in_flight_before(row["user_id"], row["lane"])
    slot = admitted_slot(row["slot"], beyond)
    leased = now() + bindparam("queue_lease", type_=Interval)
    row |= {
        "slot": slot,
        "lane": admitted_lane(row["lane"], in_flight),
        "conversation_id": conversation_id,
        "message_id": message_id,
        "queue_lease_until": case((slot == "queued", leased)),
        "expires_at": (now() if at is None else at) + bindparam("time_left", type_=Interval),
    }
    row |= {} if at is None else {"created_at": at}
    added = insert(jobs).from_select(list(row), select(*row.values()), include_defaults=False)
    return added.returning(*jobs.c["created_at", "expires_at", "queue_lease_until", "slot", "lane"])
