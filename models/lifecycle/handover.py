"""The handover: a run that checkpoints its stage begins a later one, in one UPDATE.

It is used where the thread that checkpoints goes on with the job: nobody has to ask for the next
stage, so that it never is in the slot `queued`, and no message can begin it a second time.

    running --hand_over--> running (a later stage) --requeue_unstarted--> queued
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    or_,
    update,
)

from models.lifecycle.event_numbers import text_base
from models.lifecycle.fence import Fence, jobs, no_owner, now, owned_by_bound
from models.lifecycle.leases import lease, queue_lease, queue_lease_s
from models.spent import COLUMNS as COSTS
from models.spent import NOTHING, Spent, added, costs_after, returns_costs
from models.stage_record import StageRecord
from models.statement import Runner, Statement

RUNNING: Final = StageRecord(status="running")


def hand_over(
    connection: Runner,
    fence: Fence,
    to: Fence,
    records: Mapping[str, StageRecord],
    columns: Mapping[str, Any],
    began: int,
    spent: Spent = NOTHING,
) -> Spent | None:
    """Write a stage's result and begin the stage of `to`, in one UPDATE.

    A retry with the same tokens is the same handover. A job whose deadline has passed is not handed
    over, unless its answer only has to be stored, and neither is one whose message was deleted:
    their stage can still be checkpointed.

    Args:
        connection: its transaction is the caller's to commit.
        fence: the run that owns the stage.
        to: the run that is to own the later stage, of the same job and epoch.
        records: the record of the stage, and those of the stages between the two, which count as
            started too.
        columns: the job's columns that later stages need.
        began: the number of the event with which the later stage begins. No run of it was before,
            since a job never goes back to an earlier stage.
        spent: added to the job's costs.

    Returns:
        What `checkpoint` does.
    """
    statement = _statement(fence.stage, to.stage, tuple(columns), spent != NOTHING)
    note = {stage: record.stored() for stage, record in records.items()}
    note[to.stage] = {**RUNNING.stored(), "began": began}
    values = {**fence.values(), "to_token": to.token, "note": note, "at_number": began}
    values["steps"] = len(records)
    values |= {f"set_{name}": value for name, value in columns.items()}
    if to.stage == "generate":
        values["at_text"] = text_base(began)
    if spent != NOTHING:
        values |= spent.values()
    returned = returns_costs(fence.stage, adds=spent != NOTHING)
    return costs_after(connection, statement, values, returned=returned)


@lru_cache(maxsize=64)
def _statement(stage: str, to: str, columns: tuple[str, ...], adds: bool) -> Statement:
    token = bindparam("to_token", type_=jobs.c.run_token.type)
    again = and_(jobs.c.stage == to, jobs.c.run_token == token)
    owned = and_(jobs.c.stage == bindparam("at_stage"), jobs.c.run_token == bindparam("token"))
    in_time = () if to == "persist" else (jobs.c.expires_at > now(),)
    text = {"text_base": bindparam("at_text", type_=BigInteger)} if to == "generate" else {}
    costs = {name: _unless(again, name, total) for name, total in added().items()} if adds else {}
    statement = (
        update(jobs)
        .where(
            jobs.c.id == bindparam("job_id"),
            jobs.c.epoch == bindparam("at_epoch"),
            jobs.c.slot == "running",
            or_(owned, again),
            jobs.c.message_id.is_not(None),
            *in_time,
        )
        .values(
            stage=to,
            run_token=token,
            lease_until=now() + lease(),
            starts=_unless(again, "starts", jobs.c.starts + bindparam("steps", type_=Integer)),
            attempts=0,
            crash_count=0,
            partial=None,
            sequence=bindparam("at_number", type_=BigInteger),
            stages=jobs.c.stages.op("||")(bindparam("note", type_=jobs.c.stages.type)),
            **text,
            **costs,
            **{name: bindparam(f"set_{name}", type_=jobs.c[name].type) for name in columns},
        )
    )
    if not returns_costs(stage, adds=adds):
        return Statement(statement)
    return Statement(statement.returning(*(jobs.c[name] for name in COSTS)))


def _unless(again: ColumnElement[bool], name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((again, jobs.c[name]), else_=value)


def requeue_unstarted(connection: Runner, fence: Fence) -> bool:
    """Queue a stage that was handed over but has done nothing; False if the run lost it meanwhile.

    The caller publishes its message. Nothing was paid for, and no text was written.
    """
    return _requeue_statement().changed(connection, fence.values()) == 1


@lru_cache(maxsize=1)
def _requeue_statement() -> Statement:
    return Statement(
        update(jobs)
        .where(owned_by_bound())
        .values(
            slot="queued",
            queue_lease_until=now() + queue_lease(),
            queue_lease_s=queue_lease_s(),
            **no_owner(),
        )
    )
