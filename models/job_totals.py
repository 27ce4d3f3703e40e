"""All jobs that have ever ended, by status, code, priority and model: for metrics, exactly.

They are added by the transaction that adds them to their users' usage, off their path and each
once. So a deleted user's jobs remain counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Numeric,
    Select,
    String,
    Table,
    case,
    func,
    literal,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.jobs import BULK, PRIORITIES, Job
from models.prices import ModelPrice

KEYS: Final = ("status", "code", "priority", "model")
SUMS: Final = ("jobs", "input_tokens", "output_tokens", "tokens_saved", "cost_usd", "saved_usd")
USD: Final = Numeric(20, 6)


class JobTotal(Base):
    """The jobs that ended with this status and, if they failed, this code; and what they have used.

    `model` as in `usage_days`: the one that answered, or else the first of the job's route; empty
    without a route.
    """

    __tablename__ = "job_totals"

    status: Mapped[str] = mapped_column(String(11), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    priority: Mapped[str] = mapped_column(String(11), primary_key=True)
    model: Mapped[str] = mapped_column(String(255), primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    tokens_saved: Mapped[int] = mapped_column(BigInteger)
    cost_usd: Mapped[Decimal] = mapped_column(USD)
    saved_usd: Mapped[Decimal] = mapped_column(USD)


@dataclass(frozen=True)
class Total:
    """The jobs that ended alike, and what they have used."""

    status: str
    code: str
    priority: str
    model: str
    jobs: int
    input_tokens: int
    output_tokens: int
    tokens_saved: int
    cost_usd: Decimal
    saved_usd: Decimal


def job_totals(session: Session) -> list[Total]:
    """All totals: as many as there are combinations of status, code, priority and model."""
    columns = cast(Table, JobTotal.__table__).c
    rows = session.execute(select(*(columns[name] for name in (*KEYS, *SUMS))))
    return [Total(*row) for row in rows]


def add_totals(session: Session, *which: ColumnElement[bool]) -> None:
    """Add these jobs. The caller's transaction is the only one that adds jobs now."""
    jobs = _ended(*which).subquery()
    keys = [jobs.c[name] for name in KEYS]
    sums = [func.sum(jobs.c[name]).label(name) for name in SUMS]
    _add(session, select(*keys, *sums).group_by(*keys).order_by(*keys))


def add_late_total(
    session: Session, values: Mapping[str, Any], *which: ColumnElement[bool]
) -> None:
    """Add a cost (`values`) that was added to a job after its end."""
    job = _ended(*which).subquery()
    late = [values.get(name, literal(0)).label(name) for name in SUMS]
    _add(session, select(*(job.c[name] for name in KEYS), *late))


def _add(session: Session, rows: Select[Any]) -> None:
    totals = cast(Table, JobTotal.__table__)
    added = insert(totals).from_select([*KEYS, *SUMS], rows)
    sums = {name: totals.c[name] + added.excluded[name] for name in SUMS}
    session.execute(added.on_conflict_do_update(index_elements=KEYS, set_=sums))


def _ended(*which: ColumnElement[bool]) -> Select[Any]:
    interactive, bulk = PRIORITIES
    model = func.coalesce(Job.route["model"].astext, "")
    saved = func.coalesce(Job.tokens_saved * ModelPrice.input_usd, 0)
    return (
        select(
            Job.status,
            func.coalesce(Job.error["code"].astext, "").label("code"),
            case((Job.lane == BULK, bulk), else_=interactive).label("priority"),
            model.label("model"),
            literal(1).label("jobs"),
            Job.input_tokens,
            Job.output_tokens,
            Job.tokens_saved,
            Job.cost_usd,
            sql_cast(saved, USD).label("saved_usd"),
        )
        .outerjoin(ModelPrice, ModelPrice.name == model)
        .where(*which)
    )
