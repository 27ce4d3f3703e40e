"""What users with a budget may still spend: reserved when a job is accepted, settled when it ends.

A budget is for a calendar month in UTC. A job belongs to the month in which it was accepted. The
row of a user and month is locked from the reservation or settlement until the transaction ends, so
that parallel submissions can't overspend. It is always locked after conversations and jobs. Jobs of
users without a budget reserve nothing, and no row exists for them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    Date,
    Executable,
    ForeignKey,
    Numeric,
    Select,
    String,
    Table,
    any_,
    bindparam,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy import (
    cast as sql_cast,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.errors import BudgetExceeded
from models.jobs import Job
from models.usage import cost_since

jobs = cast(Table, Job.__table__)
USD = Numeric(14, 6)


class SpendMonth(Base):
    """What a user with a budget has spent in a month: `settled_usd` by jobs that have ended, and
    `reserved_usd` for those that have not, at most. `month` is its first day."""

    __tablename__ = "spend_months"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    reserved_usd: Mapped[Decimal] = mapped_column(USD, default=Decimal(0), server_default="0")
    settled_usd: Mapped[Decimal] = mapped_column(USD, default=Decimal(0), server_default="0")


@dataclass(frozen=True)
class Budget:
    """A user's budget of a month, and what is used of it."""

    limit_usd: Decimal
    month: date
    reserved_usd: Decimal = Decimal(0)
    settled_usd: Decimal = Decimal(0)

    @property
    def left_usd(self) -> Decimal:
        """What may still be reserved; 0 if more was spent than reserved."""
        return max(Decimal(0), self.limit_usd - self.reserved_usd - self.settled_usd)

    @property
    def resets_at(self) -> datetime:
        """When the next month begins."""
        years, months = divmod(self.month.month, 12)
        return datetime(self.month.year + years, months + 1, 1, tzinfo=UTC)


def reserve(session: Session, user_id: str, limit: Decimal, usd: Decimal) -> date:
    """Reserve this much of the user's budget until the job ends; returns the month.

    Raises:
        BudgetExceeded: so much is not left. It says what is.
    """
    values = {"at_user": user_id, "at_limit": limit, "add_usd": usd}
    month: date | None = session.scalar(_reserve_statement(), values)
    if month is None and _open_month(session, user_id):
        month = session.scalar(_reserve_statement(), values)
    if month is None:
        raise _refusal(budget_of(session, user_id, limit), usd)
    return month


def budget_of(session: Session, user_id: str, limit: Decimal) -> Budget:
    """What is used of a user's budget of this month."""
    used = (SpendMonth.month, SpendMonth.reserved_usd, SpendMonth.settled_usd)
    this = select(*used).where(SpendMonth.user_id == user_id, SpendMonth.month == _this_month())
    if (found := session.execute(this).one_or_none()) is not None:
        return Budget(limit, *found)
    month = session.scalars(select(_this_month())).one()
    return Budget(limit, month, settled_usd=cost_since(session, user_id, month))


def count_unbudgeted(session: Session, user_id: str) -> None:
    """Count what the user's jobs have cost in this month while there was no budget.

    For a user who gets one; a month that has none of the user's reservations yet needs no call.
    """
    this = (SpendMonth.user_id == user_id, SpendMonth.month == _this_month())
    month = session.scalar(select(SpendMonth.month).where(*this).with_for_update())
    if month is not None:
        spent = func.greatest(SpendMonth.settled_usd, cost_since(session, user_id, month))
        session.execute(update(SpendMonth).where(*this).values(settled_usd=spent))


def settle(session: Session, job_ids: Collection[str]) -> None:
    """Replace the reservations of these jobs, which this transaction has ended, by what they cost.

    A job that has none, or whose is settled, is left out.
    """
    session.execute(_settle_statement(), {"ended_jobs": list(job_ids)})


def settle_left(session: Session, limit: int) -> int:
    """Settle jobs that have ended without it, `limit` at most; returns how many there were.

    Only a worker of a release before this one leaves some.
    """
    left = select(Job.id).where(Job.reserved_usd.is_not(None), Job.slot.is_(None))
    locked = left.order_by(Job.id).limit(limit).with_for_update(skip_locked=True)
    found = session.scalars(locked).all()
    if found:
        settle(session, found)
    return len(found)


def add_settled(session: Session, user_id: str, month: date, usd: Decimal) -> None:
    """Add a cost of a job that is settled already."""
    this = (SpendMonth.user_id == user_id, SpendMonth.month == month)
    more = SpendMonth.settled_usd + usd
    session.execute(update(SpendMonth).where(*this).values(settled_usd=more))


def _refusal(budget: Budget, usd: Decimal) -> BudgetExceeded:
    return BudgetExceeded(
        f"The job may cost up to ${usd:.6f}. Of your ${budget.limit_usd:.6f} for "
        f"{budget.month:%Y-%m}, ${budget.left_usd:.6f} is left, and ${budget.reserved_usd:.6f} is "
        f"reserved by unfinished jobs. The next month begins at {budget.resets_at:%Y-%m-%dT%XZ}.",
    )


def _open_month(session: Session, user_id: str) -> bool:
    """Insert the row of this month, with what the user's jobs have cost in it so far. False if
    there was one."""
    known = (SpendMonth.user_id == user_id, SpendMonth.month == _this_month())
    if session.scalar(select(SpendMonth.month).where(*known)) is not None:
        return False
    month = session.scalars(select(_this_month())).one()
    spent = cost_since(session, user_id, month)
    row = {"user_id": user_id, "month": month, "settled_usd": spent}
    session.execute(insert(SpendMonth).values(row).on_conflict_do_nothing())
    return True


def _this_month() -> Any:
    return sql_cast(func.date_trunc("month", func.timezone("UTC", func.now())), Date)


@lru_cache(maxsize=1)
def _reserve_statement() -> Executable:
    months = cast(Table, SpendMonth.__table__).c
    more = months.reserved_usd + bindparam("add_usd", type_=USD)
    return (
        update(SpendMonth.__table__)  # type: ignore[arg-type]
        .where(
            months.user_id == bindparam("at_user"),
            months.month == _this_month(),
            more + months.settled_usd <= bindparam("at_limit", type_=USD),
        )
        .values(reserved_usd=more)
        .returning(months.month)
    )


@lru_cache(maxsize=1)
def _settle_statement() -> Executable:
    """It locks the rows of several users in their order, so that none waits for another."""
    months = cast(Table, SpendMonth.__table__)
    old = (
        select(jobs.c.id, jobs.c.reserved_usd)
        .where(
            jobs.c.id == any_(bindparam("ended_jobs", type_=ARRAY(String))),
            jobs.c.reserved_usd.is_not(None),
            jobs.c.slot.is_(None),
        )
        .cte("old")
    )
    cleared = (
        update(jobs)
        .where(jobs.c.id == old.c.id)
        .values(reserved_usd=None)
        .returning(jobs.c.user_id, jobs.c.budget_month, jobs.c.cost_usd, old.c.reserved_usd)
        .cte("cleared")
    )
    whose = (cleared.c.user_id, cleared.c.budget_month)
    sums = (
        select(
            *whose,
            func.sum(cleared.c.reserved_usd).label("reserved"),
            func.sum(cleared.c.cost_usd).label("cost"),
        )
        .group_by(*whose)
        .cte("sums")
    )
    locked = _locked_months(sums).cte("locked")
    this = (months.c.user_id == locked.c.user_id, months.c.month == locked.c.month)
    return (
        update(months)
        .where(*this)
        .values(
            reserved_usd=months.c.reserved_usd - locked.c.reserved,
            settled_usd=months.c.settled_usd + locked.c.cost,
        )
    )


def _locked_months(sums: Any) -> Select[Any]:
    months = cast(Table, SpendMonth.__table__)
    same = tuple_(months.c.user_id, months.c.month) == tuple_(sums.c.user_id, sums.c.budget_month)
    return (
        select(months.c.user_id, months.c.month, sums.c.reserved, sums.c.cost)
        .join(sums, same)
        .order_by(months.c.user_id, months.c.month)
        .with_for_update(of=months)
    )
