"""How jobs ended, minute by minute: kept, so that a day's figures don't read a day's jobs.

A minute is stored once it is over, with a margin for transactions that ended a job in it but have
not been committed yet. What is younger is counted from the jobs.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Numeric,
    Select,
    String,
    Subquery,
    delete,
    func,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.jobs import Job

MARGIN: Final = timedelta(minutes=2)
KEPT: Final = timedelta(days=31)
# Identifies the advisory lock of whoever stores minutes.
LOCK: Final = 7_464_233
EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)


class JobMinute(Base):
    """The jobs that ended in a minute with this status and, if they failed, this code."""

    __tablename__ = "job_minutes"

    minute: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    status: Mapped[str] = mapped_column(String(11), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    jobs: Mapped[int]
    cost_usd: Mapped[Decimal] = mapped_column(Numeric(14, 6))
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    tokens_saved: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True)
class Ended:
    """The jobs that ended in a span of time with this status and code."""

    since: datetime
    status: str
    code: str
    jobs: int
    cost_usd: Decimal
    input_tokens: int
    output_tokens: int
    tokens_saved: int


def store_minutes(session: Session) -> None:
    """Store the minutes that are over, of the last day at most, and delete old ones. Does nothing
    if another transaction is at it."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
        return
    now = func.date_trunc("minute", func.now())
    last = session.scalar(select(func.max(JobMinute.minute)))
    since = now - timedelta(days=1)
    if last is not None:
        since = func.greatest(since, last + timedelta(minutes=1))
    counted = _counted(Job.completed_at >= since, Job.completed_at < now - MARGIN)
    # A minute may be stored by then, if the clock was turned back.
    session.execute(
        insert(JobMinute)
        .from_select(JobMinute.__table__.columns.keys(), counted)
        .on_conflict_do_nothing()
    )
    session.execute(delete(JobMinute).where(JobMinute.minute < func.now() - KEPT))


def ended_since(session: Session, since: timedelta, step: timedelta) -> list[Ended]:
    """The jobs that ended within the last `since`, by steps of this length, oldest first."""
    minutes = _minutes(session, func.now() - since)
    return _summed(session, minutes, func.date_bin(step, minutes.c.minute, EPOCH))


def ended_today(session: Session) -> list[Ended]:
    """The jobs that ended today, in UTC."""
    minutes = _minutes(session, func.date_trunc("day", func.now(), "UTC"))
    return _summed(session, minutes, func.date_trunc("day", minutes.c.minute, "UTC"))


def _minutes(session: Session, since: ColumnElement[Any]) -> Subquery:
    """The stored minutes, and those that are not stored yet, counted from the jobs."""
    stored = select(*JobMinute.__table__.columns).where(JobMinute.minute >= since)
    next_minute = select(func.max(JobMinute.minute) + timedelta(minutes=1)).scalar_subquery()
    # Read first: the planner, which would not know it, would read all jobs.
    young_since = session.scalar(
        select(func.greatest(func.date_trunc("minute", since), next_minute))
    )
    young = _counted(Job.completed_at >= young_since)
    return union_all(stored, young).subquery("minutes")


def _counted(*which: ColumnElement[bool]) -> Select[Any]:
    minute = func.date_trunc("minute", Job.completed_at)
    code = func.coalesce(Job.error["code"].astext, "")
    sums = (Job.cost_usd, Job.input_tokens, Job.output_tokens, Job.tokens_saved)
    return (
        select(
            minute.label("minute"),
            Job.status.label("status"),
            code.label("code"),
            func.count().label("jobs"),
            *(func.sum(column).label(column.key) for column in sums),
        )
        .where(*which)
        .group_by(minute, Job.status, code)
    )


def _summed(session: Session, minutes: Subquery, since: ColumnElement[Any]) -> list[Ended]:
    sums = [func.sum(minutes.c[name]) for name in Ended.__dataclass_fields__ if name not in KEYS]
    keys = (since, minutes.c.status, minutes.c.code)
    rows = session.execute(select(*keys, *sums).group_by(*keys).order_by(*keys))
    return [Ended(row[0], row[1], row[2], int(row[3]), row[4], *map(int, row[5:])) for row in rows]


KEYS: Final = ("since", "status", "code")
