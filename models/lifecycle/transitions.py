"""How a job moves from stage to stage: each transition is one fenced UPDATE on the database clock.

A fence names the stage, the epoch, and the token of the run that owns the stage. An UPDATE that
matches no row means that another run was first, and the caller drops its work. The caller commits.

    queued --begin--> running --checkpoint--> queued (the next stage)
                         |-----wait---------> waiting --requeue--> queued
                         |-----complete, fail--> finished, in no slot
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Table,
    and_,
    bindparam,
    case,
    exists,
    extract,
    func,
    not_,
    or_,
    update,
)
from sqlalchemy.orm import Session, aliased

from models.conversations import Message
from models.jobs import Job, after
from models.lifecycle.completion import alone_since
from models.lifecycle.endings import end_orphans, end_overdue
from models.lifecycle.event_numbers import after_unknown_events, next_number, text_base
from models.lifecycle.fence import (
    Fence,
    hits,
    jobs,
    no_owner,
    noting,
    now,
    owned_by_bound,
)
from models.lifecycle.leases import lease, queue_lease, queue_lease_s
from models.lifecycle.track_queue import lock_conversations
from models.spent import COLUMNS as COSTS
from models.spent import NOTHING, Spent, added, added_now, costs_after, returns_costs
from models.stage_record import StageRecord
from models.statement import Runner, Statement

PENDING: Final = StageRecord()


@dataclass(frozen=True)
class Begun:
    """What a stage that begins needs of its job.

    `remaining_s` are the seconds to its deadline; `has_past` is false if it has no history;
    `alone_since` as in `completion`, or None; `reserved_usd` is None without a budget.
    """

    user_id: str
    mind: str
    message: str
    prompt: str | None
    intent: str | None
    attempts: int
    starts: int
    options: dict[str, Any]
    sequence: int
    restarts: int
    tried: list[dict[str, Any]] | None
    remaining_s: float
    request_id: str | None
    has_past: bool
    alone_since: datetime | None
    reserved_usd: Decimal | None
    conversation_id: str | None
    traceparent: str | None


def begin(session: Session, fence: Fence) -> Begun | None:
    """Own the stage. None if its message is stale, a duplicate, or late.

    A retry with the same token is the same begin. A job whose deadline has passed is ended instead,
    unless its answer only has to be stored; and so is one whose message was deleted.
    """
    begun = take(session, fence)
    if begun is None:
        end_hopeless(session, fence)
    return begun


def take(connection: Runner, fence: Fence) -> Begun | None:
    """What `begin` does first, in one statement: own the stage."""
    rows = _begin_statement().rows(connection, fence.values())
    return Begun(*rows[0]) if rows else None


def end_hopeless(session: Session, fence: Fence) -> None:
    """What `begin` does otherwise: end a job that has no message or whose deadline has passed."""
    lock_conversations(session, Job.id == fence.job_id)
    end_orphans(session, Job.id == fence.job_id)
    end_overdue(session, Job.id == fence.job_id, Job.epoch == fence.epoch)


@lru_cache(maxsize=1)
def _begin_statement() -> Statement:
    """Built once: building it costs more CPU than running it."""
    again = and_(jobs.c.slot == "running", jobs.c.run_token == bindparam("token"))
    number = case((again, jobs.c.sequence), else_=next_number(jobs.c.sequence))
    # Failures of earlier runs stay on the receipt.
    tried = jobs.c.stages[jobs.c.stage]["tried"]
    line = func.jsonb_strip_nulls(
        func.jsonb_build_object("status", "running", "began", number, "tried", tried)
    )
    return Statement(
        update(jobs)
        .where(
            jobs.c.id == bindparam("job_id"),
            jobs.c.epoch == bindparam("at_epoch"),
            jobs.c.stage == bindparam("at_stage"),
            # COALESCE keeps the planner from the index of all unfinished jobs, which it thinks is
            # empty if nothing was queued when statistics were taken.
            or_(func.coalesce(jobs.c.slot, "") == "queued", again),
            or_(jobs.c.expires_at > now(), jobs.c.stage == "persist"),
            Message.__table__.c.id == jobs.c.message_id,
        )
        .values(
            status="in_progress",
            slot="running",
            run_token=bindparam("token"),
            lease_until=now() + lease(),
            queue_lease_until=None,
            starts=case((again, jobs.c.starts), else_=jobs.c.starts + 1),
            started_at=func.coalesce(jobs.c.started_at, now()),
            stages=jobs.c.stages.op("||")(func.jsonb_build_object(jobs.c.stage, line)),
            sequence=number,
            **_text_columns(again, number),
        )
        .returning(
            jobs.c.user_id,
            jobs.c.mind,
            Message.__table__.c.content,
            jobs.c.prompt,
            jobs.c.intent,
            jobs.c.attempts,
            jobs.c.starts,
            jobs.c.options,
            jobs.c.sequence,
            jobs.c.restarts,
            tried,
            extract("epoch", jobs.c.expires_at - now()).cast(Float),
            jobs.c.request_id,
            or_(jobs.c.previous_id.is_not(None), _is_said_before()),
            alone_since().scalar_subquery(),
            jobs.c.reserved_usd,
            jobs.c.conversation_id,
            jobs.c.traceparent,
        )
    )


def _is_said_before() -> ColumnElement[bool]:
    """Whether the job's message is not the first of its conversation. It stays the first: whoever
    adds a message has locked the conversation."""
    message, earlier = cast(Table, Message.__table__), aliased(Message)
    return exists().where(
        earlier.conversation_id == message.c.conversation_id, earlier.position < message.c.position
    )


def _text_columns(again: ColumnElement[bool], number: ColumnElement[int]) -> dict[str, Any]:
    """A generate starts its text, or restarts it if that of an earlier run may have been read."""
    earlier = jobs.c.stages["generate"]
    read = or_(earlier["status"].astext == "running", earlier.has_key("text"))
    starts = and_(jobs.c.stage == "generate", not_(again))
    return {
        "text_base": case((starts, text_base(number)), else_=jobs.c.text_base),
        "restarts": case((and_(starts, read), jobs.c.restarts + 1), else_=jobs.c.restarts),
        "partial": case((starts, None), else_=jobs.c.partial),
    }


def checkpoint(
    connection: Runner,
    fence: Fence,
    record: StageRecord,
    columns: Mapping[str, Any],
    sequence: int | None = None,
    spent: Spent = NOTHING,
) -> Spent | None:
    """Write a stage's result and queue the next stage, in one UPDATE.

    Args:
        connection: its transaction is the caller's to commit.
        fence: the run that owns the stage.
        record: the stage's record for the receipt.
        columns: the job's columns that later stages need.
        sequence: the number of the last event of this stage; by default the next one.
        spent: added to the job's costs.

    Returns:
        What the job has cost so far, if this was generate or cost something, else nothing spent.
        None if the fence no longer holds.
    """
    statement = _checkpoint_statement(fence.stage, tuple(columns), spent != NOTHING)
    values = {**fence.values(), "note": {fence.stage: record.stored()}}
    values |= {f"set_{name}": value for name, value in columns.items()} | {"at_number": sequence}
    if spent != NOTHING:
        values |= spent.values()
    returned = returns_costs(fence.stage, adds=spent != NOTHING)
    return costs_after(connection, statement, values, returned=returned)


@lru_cache(maxsize=64)
def _checkpoint_statement(stage: str, columns: tuple[str, ...], adds: bool) -> Statement:
    number = func.coalesce(bindparam("at_number", type_=BigInteger), next_number(jobs.c.sequence))
    statement = (
        update(jobs)
        .where(owned_by_bound())
        .values(
            stage=after(stage),
            slot="queued",
            queue_lease_until=now() + queue_lease(),
            queue_lease_s=queue_lease_s(),
            attempts=0,
            crash_count=0,
            partial=None,
            sequence=number,
            stages=jobs.c.stages.op("||")(bindparam("note", type_=jobs.c.stages.type)),
            **no_owner(),
            **(added() if adds else {}),
            **{name: bindparam(f"set_{name}", type_=jobs.c[name].type) for name in columns},
        )
    )
    if not returns_costs(stage, adds=adds):
        return Statement(statement)
    return Statement(statement.returning(*(jobs.c[name] for name in COSTS)))


def wait(
    session: Session,
    fence: Fence,
    delay: timedelta,
    record: StageRecord = PENDING,
    sequence: int | None = None,
    spent: Spent = NOTHING,
    *,
    counts: bool,
) -> bool:
    """Let the stage wait until `delay` has passed. False if the fence no longer holds.

    `counts`: whether this was a failed attempt; an open breaker is not one. The other arguments are
    those of `checkpoint`.
    """
    return hits(
        session,
        update(Job)
        .where(fence.owned())
        .values(
            slot="waiting",
            next_attempt_at=now() + delay,
            attempts=Job.attempts + (1 if counts else 0),
            stages=noting(fence.stage, record),
            sequence=next_number(after_unknown_events()) if sequence is None else sequence,
            **added_now(spent),
            **no_owner(),
        ),
    )
