"""What users with a budget may still spend: reserved when a job is accepted, settled when it ends.

A budget is for a calendar month in UTC. A job belongs to the month in which it was accepted. The
row of a user and month is locked from the reservation or settlement until the transaction ends, so
that parallel submissions can't overspend. A reservation covers one answer, and is raised by what
failed calls were billed before another is made. Jobs of users without a budget reserve nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Executable,
    Select,
    String,
    Table,
    and_,
    any_,
    bindparam,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.errors import BudgetExceeded
from models.jobs import Job
from models.lifecycle.fence import Fence, jobs
from models.spend_months import USD, SpendMonth, month_of
from models.usage import unadded_usd

# Unfinished jobs may end, and leave what they have reserved.
RETRY_AFTER_S: Final = 5.0


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
        why = f"The job may cost up to ${usd:.6f}."
        raise _refusal(budget_of(session, user_id, limit), usd, why)
    return month


def reserve_again(session: Session, fence: Fence, limit: Decimal | None, usd: Decimal) -> None:
    """Reserve this much in addition for the job of this run, which is to pay for another call.

    A job without a reservation stays as it is, and so does one that the run no longer owns. If the
    reply to a commit is lost, and it is called again, more is reserved until the job ends.

    Args:
        limit: the user's budget; None: there is none any more, and nothing is refused.

    Raises:
        BudgetExceeded: so much is not left of the month that pays for the job.
    """
    raised = update(Job).where(fence.owned(), Job.reserved_usd.is_not(None))
    raised = raised.values(reserved_usd=Job.reserved_usd + usd)
    job = session.execute(raised.returning(Job.user_id, Job.budget_month)).one_or_none()
    if job is None:
        return
    this = (SpendMonth.user_id == job.user_id, SpendMonth.month == job.budget_month)
    more = SpendMonth.reserved_usd + usd
    fits = () if limit is None else (more + SpendMonth.settled_usd <= limit,)
    reserved = update(SpendMonth).where(*this, *fits).values(reserved_usd=more)
    if session.scalar(reserved.returning(SpendMonth.month)) is None and limit is not None:
        used = (SpendMonth.month, SpendMonth.reserved_usd, SpendMonth.settled_usd)
        budget = Budget(limit, *session.execute(select(*used).where(*this)).one())
        why = f"Failed calls were billed with ${usd:.6f}, and another can't be paid for."
        raise _refusal(budget, usd, why)


def budget_of(session: Session, user_id: str, limit: Decimal) -> Budget:
    """What is used of a user's budget of this month, jobs without a budget included that ended so
    lately that they are not added up yet."""
    this = select(_this_month().label("month")).subquery()
    mine = and_(SpendMonth.user_id == user_id, SpendMonth.month == this.c.month)
    reserved = func.coalesce(SpendMonth.reserved_usd, 0)
    settled = func.coalesce(SpendMonth.settled_usd, 0) + unadded_usd(user_id, this.c.month)
    used = select(this.c.month, reserved, settled).select_from(this.outerjoin(SpendMonth, mine))
    return Budget(limit, *session.execute(used).one())


def settle(session: Session, job_ids: Collection[str]) -> None:
    """Replace the reservations of these jobs, which this transaction has ended, by what they cost.

    A job that has none, or whose is settled, is left out.
    """
    session.execute(_settle_statement(), {"ended_jobs": list(job_ids)})


def settled_by(done: CTE, reserved: ColumnElement[Decimal]) -> CTE:
    """The part of a statement that replaces the reservation of the job that `done` returns by what
    it has cost. The caller has cleared `reserved_usd` of the job, which was `reserved`."""
    months = cast(Table, SpendMonth.__table__)
    settled = update(months).where(
        months.c.user_id == done.c.user_id, months.c.month == done.c.budget_month
    )
    return settled.values(
        reserved_usd=months.c.reserved_usd - reserved,
        settled_usd=months.c.settled_usd + done.c.cost_usd,
    ).cte("settled")


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


def _refusal(budget: Budget, usd: Decimal, why: str) -> BudgetExceeded:
    detail = (
        f"{why} Of your ${budget.limit_usd:.6f} for {budget.month:%Y-%m}, "
        f"${budget.left_usd:.6f} is left, and ${budget.reserved_usd:.6f} is reserved by unfinished "
        f"jobs. The next month begins at {budget.resets_at:%Y-%m-%dT%XZ}."
    )
    resets_in_s = (budget.resets_at - datetime.now(UTC)).total_seconds()
    retry_after: float | None = None
    if usd <= budget.limit_usd - budget.settled_usd:
        retry_after = RETRY_AFTER_S
    elif usd <= budget.limit_usd:
        retry_after = resets_in_s
    return BudgetExceeded(detail, budget.limit_usd, budget.left_usd, resets_in_s, retry_after)


def _open_month(session: Session, user_id: str) -> bool:
    """Insert the row of this month. False if there was one."""
    known = (SpendMonth.user_id == user_id, SpendMonth.month == _this_month())
    if session.scalar(select(SpendMonth.month).where(*known)) is not None:
        return False
    row = {"user_id": user_id, "month": _this_month()}
    session.execute(insert(SpendMonth).values(row).on_conflict_do_nothing())
    return True


def _this_month() -> ColumnElement[date]:
    return month_of(func.now())


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
