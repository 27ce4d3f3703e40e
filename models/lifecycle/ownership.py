"""Ownership of a running stage: extend its lease, hand it back, or adopt it again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Executable,
    any_,
    bindparam,
    column,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from models.jobs import Job
from models.lifecycle.event_numbers import after_unknown_events
from models.lifecycle.fence import (
    Fence,
    jobs,
    lost_provider_call,
    no_owner,
    now,
    rows_of,
)
from models.lifecycle.leases import lease, queue_lease_s


def extend_leases(session: Session, tokens: Collection[UUID]) -> set[UUID]:
    """Extend the leases of the runs that still own their stage; returns their tokens."""
    owned = session.scalars(
        update(Job)
        .where(_locked(Job.run_token.in_(tokens)), Job.slot == "running")
        .values(lease_until=now() + lease())
        .returning(Job.run_token)
    )
    return {token for token in owned if token is not None}


def save_partials(session: Session, columns_of: Mapping[UUID, Mapping[str, Any]]) -> set[UUID]:
    """Save what running stages have generated so far, all in one statement. Returns the tokens of
    the runs that still own their stage. Every run sets the same columns."""
    names = tuple(next(iter(columns_of.values())))
    lists = {name: [columns[name] for columns in columns_of.values()] for name in names}
    saved = session.scalars(_save_statement(names), {"tokens": list(columns_of), **lists})
    return {token for token in saved if token is not None}


@lru_cache(maxsize=4)
def _save_statement(names: tuple[str, ...]) -> Executable:
    """The columns are passed as arrays, so that one statement serves any number of runs."""
    lists = [bindparam("tokens", type_=ARRAY(jobs.c.run_token.type))]
    lists += [bindparam(name, type_=ARRAY(jobs.c[name].type)) for name in names]
    types = [column("token", jobs.c.run_token.type), *(column(n, jobs.c[n].type) for n in names)]
    made = func.unnest(*lists).table_valued(*types, name="made").render_derived()
    return (
        update(jobs)
        .where(
            _locked(Job.run_token == any_(lists[0])),
            jobs.c.run_token == made.c.token,
            jobs.c.slot == "running",
        )
        .values({name: made.c[name] for name in names})
        .returning(jobs.c.run_token)
    )


@dataclass(frozen=True)
class Adopted:
    """The epoch of a job whose stage was adopted, the number of its last event, and its lane."""

    epoch: int
    sequence: int
    lane: int


def adopt(session: Session, fence: Fence, starts: int) -> Adopted | None:
    """Own a stage again whose lease had expired, so that its result is not lost.

    Returns None if another run has begun the stage since (`starts` is that of this run), or if the
    job has ended. The stage's message may still be in the broker: the checkpoint that follows makes
    it stale. The paid duplicate that was counted is subtracted again.
    """
    row = session.execute(
        update(Job)
        .where(
            Job.id == fence.job_id,
            Job.stage == fence.stage,
            Job.slot.in_(("queued", "waiting")),
            Job.starts == starts,
        )
        .values(
            slot="running",
            run_token=fence.token,
            lease_until=now() + lease(),
            starts=Job.starts + 1,
            paid_duplicates=func.greatest(Job.paid_duplicates - lost_provider_call(), 0),
        )
        .returning(Job.epoch, Job.sequence, Job.lane)
    ).one_or_none()
    return Adopted(*row) if row else None


def hand_back(session: Session, tokens: Collection[UUID]) -> int:
    """Requeue the stages of a process that must exit now; due at once, and not counted as crashes.
    Returns how many."""
    return rows_of(
        session,
        update(Job)
        .where(_locked(Job.run_token.in_(tokens)), Job.slot == "running")
        .values(
            slot="queued",
            queue_lease_until=now(),
            queue_lease_s=queue_lease_s() // 2,
            sequence=after_unknown_events(),
            paid_duplicates=Job.paid_duplicates + lost_provider_call(),
            **no_owner(),
        ),
    )


def _locked(runs: ColumnElement[bool]) -> ColumnElement[bool]:
    """True for the jobs of these runs. Locks the rows in the order of their ids, as every statement
    that changes several jobs does, to avoid deadlocks."""
    rows = select(Job.id).where(runs, Job.slot == "running").order_by(Job.id)
    return Job.id.in_(rows.with_for_update(key_share=True))
