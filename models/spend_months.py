"""What users have spent by month: by every job, so that a budget that begins within a month counts
all of it.

A job that reserves is counted when it ends, with its reservation (`models/spend.py`). One that does
not, since its user has no budget, is counted with the usage, some seconds later: its end must cost
nothing more. Rows are always locked after conversations and jobs, several in their order.
"""

from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Date,
    ForeignKey,
    Numeric,
    func,
    literal,
    select,
    update,
)
from sqlalchemy import (
    cast as sql_cast,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.jobs import Job

USD: Final = Numeric(14, 6)


class SpendMonth(Base):
    """What a user has spent in a month, in UTC: `settled_usd` by jobs that have ended, and
    `reserved_usd` for those that have not, at most. `month` is its first day."""

    __tablename__ = "spend_months"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    reserved_usd: Mapped[Decimal] = mapped_column(USD, default=Decimal(0), server_default="0")
    settled_usd: Mapped[Decimal] = mapped_column(USD, default=Decimal(0), server_default="0")


def month_of(moment: Any) -> ColumnElement[date]:
    """The first day of a moment's month."""
    return sql_cast(func.date_trunc("month", func.timezone("UTC", moment)), Date)


def add_reserved(session: Session, user_id: str, month: date, usd: Decimal) -> None:
    """Add a cost of an unfinished job that was paid without asking."""
    this = (SpendMonth.user_id == user_id, SpendMonth.month == month)
    more = SpendMonth.reserved_usd + usd
    session.execute(update(SpendMonth).where(*this).values(reserved_usd=more))


def add_settled(session: Session, user_id: str, month: date, usd: Decimal) -> None:
    """Add a cost of a job that is settled already."""
    this = (SpendMonth.user_id == user_id, SpendMonth.month == month)
    more = SpendMonth.settled_usd + usd
    session.execute(update(SpendMonth).where(*this).values(settled_usd=more))


def add_unreserved(
    session: Session, *which: ColumnElement[bool], usd: Decimal | None = None
) -> None:
    """Add what those of these ended jobs have cost that no budget has paid for; or else this much
    for each."""
    cost = func.sum(Job.cost_usd if usd is None else literal(usd, USD))
    keys = (Job.user_id, month_of(Job.created_at))
    unpaid = (Job.budget_month.is_(None), Job.cost_usd > 0)
    rows = select(*keys, cost).where(*which, *unpaid).group_by(*keys).order_by(*keys)
    added = insert(SpendMonth).from_select(["user_id", "month", "settled_usd"], rows)
    more = SpendMonth.settled_usd + added.excluded.settled_usd
    session.execute(
        added.on_conflict_do_update(index_elements=["user_id", "month"], set_={"settled_usd": more})
    )
