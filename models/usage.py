"""What each user's jobs have used by day, model and mind: kept when jobs and messages are not.

Jobs are added once they have ended, off their path and each exactly once: all whose end lies
between two moments, the second of which is then stored in the same transaction. No transaction can
still end a job before that moment. What has ended since is counted from the jobs, so that the
figures are always complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    ForeignKey,
    Numeric,
    Select,
    String,
    Subquery,
    Table,
    func,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy import (
    cast as sql_cast,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.job_totals import add_late_total, add_totals
from models.jobs import Job
from models.prices import ModelPrice
from models.spend_months import add_unreserved, month_of
from models.statement import Runner, Statement

KEYS: Final = ("day", "model", "mind")
SUMS: Final = (
    "jobs", "input_tokens", "output_tokens", "tokens_saved", "cost_usd", "saved_usd",
    "paid_duplicates",
)  # fmt: skip
# How many jobs are added in one transaction.
CHUNK: Final = 10_000
# Jobs that ended so recently are left for the next time: a statement takes the time of a job's end
# a moment before its transaction can be seen to write.
MARGIN: Final = timedelta(seconds=10)
USD: Final = Numeric(14, 6)


class UsageDay(Base):
    """What a user's jobs that ended on a day, in UTC, have used.

    `model` is the one that answered, or else the first of the job's route; empty if the job ended
    before it had one. `saved_usd` is what the tokens that compression saved would have cost.
    """

    __tablename__ = "usage_days"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    model: Mapped[str] = mapped_column(String(255), primary_key=True)
    mind: Mapped[str] = mapped_column(String(64), primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    tokens_saved: Mapped[int] = mapped_column(BigInteger)
    cost_usd: Mapped[Decimal] = mapped_column(USD)
    saved_usd: Mapped[Decimal] = mapped_column(USD)
    paid_duplicates: Mapped[int] = mapped_column(BigInteger)


class UsageProgress(Base):
    """One row: every job that ended before `until` is in `usage_days`."""

    __tablename__ = "usage_progress"

    id: Mapped[int] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True)
class Usage:
    """What some jobs have used. What they were not grouped by is None."""

    day: date | None
    model: str | None
    mind: str | None
    jobs: int
    input_tokens: int
    output_tokens: int
    tokens_saved: int
    cost_usd: Decimal
    saved_usd: Decimal
    paid_duplicates: int
    user_id: str | None = None


def usage_of(
    session: Session, user_id: str | None, first: date, last: date, by: Sequence[str], limit: int
) -> list[Usage]:
    """What a user's jobs that ended from the first to the last day have used.

    Args:
        user_id: None: all users, which reads every row of these days.
        by: some of `KEYS` and `user_id`, in which order the rows are sorted.
        limit: how many rows are returned at most.
    """
    rows = _rows(user_id, first, last)
    keys = [rows.c[name] for name in by]
    sums = [func.sum(rows.c[name]).label(name) for name in SUMS]
    query = select(*keys, *sums).group_by(*keys).order_by(*keys).limit(limit)
    found = session.execute(query.having(func.count() > 0)).mappings()
    return [_usage(row) for row in found]


def unadded_usd(user_id: str, month: ColumnElement[date]) -> ColumnElement[Decimal]:
    """What jobs of the user that no budget paid for, of this month, have cost that has not been
    added yet. The upper bound of the times is for the planner, as in `_rows`."""
    until = select(UsageProgress.until).scalar_subquery()
    lately = (Job.completed_at >= until, Job.completed_at < datetime.now(UTC) + timedelta(days=1))
    of_month = (Job.user_id == user_id, month_of(Job.created_at) == month)
    cost = select(func.coalesce(func.sum(Job.cost_usd), 0))
    return cost.where(*lately, *of_month, Job.budget_month.is_(None)).scalar_subquery()


def any_ended(connection: Runner) -> bool:
    """Whether jobs have ended that are in no user's usage yet, or have not been settled."""
    return bool(_any_statement().rows(connection, {})[0][0])


def add_ended(session: Session, margin: timedelta = MARGIN) -> bool:
    """Add jobs that have ended before the last `margin` to the usage of their users, and to their
    spend; True if more of them may be left.

    Does nothing if another transaction is at it. The caller commits.
    """
    progress = select(UsageProgress.until).with_for_update(skip_locked=True)
    since = session.scalar(progress)
    if since is None:
        return False
    until, more = _end_of_chunk(session, since, session.scalars(_horizon(margin)).one())
    if until <= since:
        return False
    ended = (Job.completed_at >= since, Job.completed_at < until)
    _add(session, *ended)
    add_unreserved(session, *ended)
    add_totals(session, *ended)
    session.execute(update(UsageProgress).values(until=until))
    return more


def add_late_cost(
    session: Session, job_id: str, input_tokens: int, output_tokens: int, usd: Decimal
) -> None:
    """Add a cost that was added to a job after its end to the usage, if the job is in it already.

    It is called after the cost was added to the job. `add_ended` waits until this commits.
    """
    until = session.scalar(select(UsageProgress.until).with_for_update(read=True))
    this = (Job.id == job_id, Job.completed_at < until)
    late = _counted(*this).subquery()
    values = dict.fromkeys(SUMS, literal(0)) | {
        "input_tokens": literal(input_tokens),
        "output_tokens": literal(output_tokens),
        "cost_usd": literal(usd, USD),
    }
    keys = [late.c[name] for name in ("user_id", *KEYS)]
    _upsert(session, select(*keys, *(values[name].label(name) for name in SUMS)))
    add_unreserved(session, *this, usd=usd)
    add_late_total(session, values, *this)


@lru_cache(maxsize=1)
def _any_statement() -> Statement:
    """Built once, since every worker runs it every few seconds."""
    until = select(UsageProgress.until).scalar_subquery()
    young = select(Job.id).where(Job.completed_at >= until).limit(1)
    left = select(Job.id).where(Job.reserved_usd.is_not(None), Job.slot.is_(None)).limit(1)
    return Statement(select(young.exists() | left.exists()))


def _horizon(margin: timedelta) -> Select[Any]:
    """A moment before which no transaction that has not committed can end a job: the start of the
    oldest one that has written something."""
    started = text(
        "SELECT min(xact_start) AS xact_start FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_xid IS NOT NULL"
    ).columns(xact_start=DateTime(timezone=True))
    oldest = started.subquery().c.xact_start
    return select(func.least(func.clock_timestamp() - margin, select(oldest).scalar_subquery()))


def _end_of_chunk(session: Session, since: datetime, horizon: datetime) -> tuple[datetime, bool]:
    """Until when jobs are added now, and whether more are left before the horizon."""
    ended = select(Job.completed_at).where(Job.completed_at >= since, Job.completed_at < horizon)
    nth = session.scalar(ended.order_by(Job.completed_at).offset(CHUNK).limit(1))
    return (nth, True) if nth is not None and nth > since else (horizon, False)


def _add(session: Session, *which: ColumnElement[bool]) -> None:
    """Add these jobs, in the order of the rows that they change."""
    jobs = _counted(*which).subquery()
    keys = [jobs.c[name] for name in ("user_id", *KEYS)]
    sums = [func.sum(jobs.c[name]).label(name) for name in SUMS]
    _upsert(session, select(*keys, *sums).group_by(*keys).order_by(*keys))


def _upsert(session: Session, rows: Select[Any]) -> None:
    days = cast(Table, UsageDay.__table__)
    added = insert(UsageDay).from_select(["user_id", *KEYS, *SUMS], rows)
    sums = {name: days.c[name] + added.excluded[name] for name in SUMS}
    session.execute(added.on_conflict_do_update(index_elements=["user_id", *KEYS], set_=sums))


def _counted(*which: ColumnElement[bool]) -> Select[Any]:
    """What each of these jobs has used. Tokens that were saved are priced as of now."""
    model = func.coalesce(Job.route["model"].astext, "")
    saved = func.coalesce(Job.tokens_saved * ModelPrice.input_usd, 0)
    return (
        select(
            Job.user_id,
            sql_cast(func.timezone("UTC", Job.completed_at), Date).label("day"),
            model.label("model"),
            Job.mind,
            literal(1).label("jobs"),
            Job.input_tokens,
            Job.output_tokens,
            Job.tokens_saved,
            Job.cost_usd,
            sql_cast(saved, USD).label("saved_usd"),
            Job.paid_duplicates,
        )
        .outerjoin(ModelPrice, ModelPrice.name == model)
        .where(*which)
    )


def _rows(user_id: str | None, first: date, last: date) -> Subquery:
    """The stored days, and the jobs that are not in them yet, in one snapshot.

    The upper bound of the jobs' times is also there for the planner, which takes a range for much
    smaller than a half-open one, and so finds the few that are left by the index of their times.
    """
    names = ("user_id", *KEYS, *SUMS)
    days = cast(Table, UsageDay.__table__).c
    stored = select(*(days[name] for name in names)).where(days.day.between(first, last))
    start = datetime.combine(first, time(), UTC)
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    until = select(UsageProgress.until).scalar_subquery()
    left = _counted(Job.completed_at >= func.greatest(until, start), Job.completed_at < end)
    if user_id is not None:
        stored, left = stored.where(days.user_id == user_id), left.where(Job.user_id == user_id)
    rest = left.subquery()
    return union_all(stored, select(*(rest.c[name] for name in names))).subquery("usage")


def _usage(row: Any) -> Usage:
    keys: dict[str, Any] = {name: row.get(name) for name in ("user_id", *KEYS)}
    for name in SUMS:
        keys[name] = row[name] if name.endswith("_usd") else int(row[name])
    return Usage(**keys)
