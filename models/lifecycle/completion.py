"""The completion of a job by the run that has its answer, in one statement.

    running (generate) --complete_at_once--> completed

It is used where the thread that generated the answer would go on to store it, and no job waits for
this one to end. Otherwise the answer is checkpointed, and `endings.complete` stores it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    DateTime,
    Integer,
    Select,
    Table,
    Update,
    bindparam,
    exists,
    func,
    literal,
    select,
    update,
)

from models.conversations import Conversation, Message
from models.jobs import STAGES
from models.lifecycle.after_commit import PendingDispatch
from models.lifecycle.endings import answer_of, finished
from models.lifecycle.fence import Fence, jobs, now, owned_by_bound
from models.lifecycle.shares import freed, share_values
from models.spend import settled_by
from models.spend_months import USD
from models.spent import COLUMNS as COSTS
from models.spent import Spent, added
from models.stage_record import StageRecord
from models.statement import Runner, Statement
from models.webhook_deliveries import events_of

# What the INSERTs of the answer and of the events need, and what the caller gets.
RETURNED: Final = (
    "id", "conversation_id", "user_id", "mind", "answer",
    "status", "broadcast_id", "webhook_url", *COSTS,
)  # fmt: skip

RESERVED: Final = bindparam("reserved", type_=USD)

conversations = cast(Table, Conversation.__table__)
messages = cast(Table, Message.__table__)


def alone_since() -> Select[tuple[datetime]]:
    """When a job's conversation was last changed, if no job of its track waits for this one.

    As long as that is still so, none waits: whoever adds a job that has to wait changes it.
    """
    waiting = jobs.alias().c
    waits = exists().where(
        waiting.conversation_id == jobs.c.conversation_id,
        waiting.mind == jobs.c.mind,
        waiting.slot == "blocked",
        waiting.completed_at.is_(None),  # what the index of unfinished jobs has
    )
    changed = select(conversations.c.updated_at).where(conversations.c.id == jobs.c.conversation_id)
    return changed.where(~waits.correlate(jobs)).correlate(jobs)


@dataclass(frozen=True)
class Completion:
    """What a completed job has cost, the jobs that were queued because it has ended, and the
    webhooks to notify. The caller publishes them after the commit."""

    spent: Spent
    released: tuple[PendingDispatch, ...] = ()
    webhooks: tuple[str, ...] = ()


def complete_at_once(
    connection: Runner,
    fence: Fence,
    records: Mapping[str, StageRecord],
    columns: Mapping[str, Any],
    sequence: int,
    *,
    alone: datetime,
    answer_id: str,
    spent: Spent,
    reserved: Decimal | None = None,
) -> Completion | None:
    """Write the result of generate, end the job as completed, and store its answer; queue held jobs
    of its user that fit into his share.

    A retry with the same `answer_id` is the same completion.

    Args:
        connection: its transaction is the caller's to commit.
        fence: the run that owns generate.
        records: the record of generate, and that of persist.
        columns: the columns that generate sets, among them the answer.
        sequence: the number of the job's last event, its end.
        alone: what `alone_since` was when the job began.
        answer_id: the id of the message that is inserted.
        spent: added to the job's costs.
        reserved: what is reserved for the job, which its cost replaces.

    Returns:
        What it has led to. None if the fence no longer holds, a job may wait for this one, another
        amount is reserved, or there is something to count or to erase: `endings.complete` does all
        that.
    """
    note = {stage: record.stored() for stage, record in records.items()}
    values = {**fence.values(), "note": note, "at_sequence": sequence, "steps": len(records) - 1}
    values |= {"alone": alone, "answer_id": answer_id} | spent.values()
    values |= {f"set_{name}": value for name, value in columns.items()}
    if reserved is not None:
        values["reserved"] = reserved
    statement = _statement(tuple(columns), reserved is not None)
    rows = statement.rows(connection, values | share_values())
    if rows:
        *costs, released, notified = rows[0]
        queued = tuple(PendingDispatch(*each) for each in released or ())
        return Completion(Spent(*costs), queued, tuple(notified or ()))
    rows = _known_statement().rows(connection, {"answer_id": answer_id})
    return Completion(Spent(*rows[0])) if rows else None


@lru_cache(maxsize=16)
def _statement(columns: tuple[str, ...], settles: bool) -> Statement:
    """`done` reads `touched`, so that the conversation is locked before the job. If another
    transaction has locked either, PostgreSQL checks the conditions again on the row that it
    leaves."""
    touched = (
        update(conversations)
        .where(
            jobs.c.id == bindparam("job_id"),
            jobs.c.run_token == bindparam("token"),
            conversations.c.id == jobs.c.conversation_id,
            conversations.c.updated_at == bindparam("alone", type_=DateTime(timezone=True)),
        )
        .values(updated_at=now())
        .returning(conversations.c.id)
        .cte("touched")
    )
    done = _done(columns, settles).where(jobs.c.conversation_id == touched.c.id).cte("done")
    # This statement still sees the job in flight.
    held = freed(done.alias("users"), literal(1)).c
    row = func.jsonb_build_array(held.id, held.epoch, held.stage, held.content, held.lane)
    released = select(func.jsonb_agg(row)).scalar_subquery()
    notified = select(func.array_agg(events_of(done).c.webhook_id)).scalar_subquery()
    costs = (done.c[name] for name in COSTS)
    whole = select(*costs, released, notified).add_cte(answer_of(done))
    return Statement(whole.add_cte(settled_by(done, RESERVED)) if settles else whole)


def _done(columns: tuple[str, ...], settles: bool) -> Update:
    reserves = jobs.c.reserved_usd == RESERVED if settles else jobs.c.reserved_usd.is_(None)
    ended = finished("completed", bindparam("at_sequence", type_=BigInteger))
    return (
        update(jobs)
        .where(
            owned_by_bound(),
            jobs.c.message_id.is_not(None),
            jobs.c.paid_duplicates == 0,
            reserves,
        )
        .values(
            **ended,
            **added(),
            stage=STAGES[-1],
            starts=jobs.c.starts + bindparam("steps", type_=Integer),
            attempts=0,
            crash_count=0,
            partial=None,
            **({"reserved_usd": None} if settles else {}),
            stages=jobs.c.stages.op("||")(bindparam("note", type_=jobs.c.stages.type)),
            **{name: bindparam(f"set_{name}", type_=jobs.c[name].type) for name in columns},
        )
        .returning(*(jobs.c[name] for name in RETURNED), jobs.c.budget_month)
    )


@lru_cache(maxsize=1)
def _known_statement() -> Statement:
    """The costs of the job that has this answer. The reconciler notifies its webhooks."""
    costs = (jobs.c[name] for name in COSTS)
    answered = jobs.c.id == messages.c.job_id
    return Statement(select(*costs).where(answered, messages.c.id == bindparam("answer_id")))
