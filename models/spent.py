"""What model calls cost, summed on the job's row."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from sqlalchemy import bindparam, not_, or_, update
from sqlalchemy.orm import Session

from models.lifecycle.fence import Fence, jobs
from models.spend_months import add_reserved, add_settled
from models.statement import Runner, Statement
from models.usage import add_late_cost

COLUMNS: Final = ("input_tokens", "output_tokens", "cost_usd")


@dataclass(frozen=True)
class Spent:
    """Tokens, reported by the provider or counted here, and their price in US dollars."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def __add__(self, other: Self) -> "Spent":
        return Spent(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )

    def values(self) -> dict[str, Any]:
        """The parameters of a statement with `added`."""
        return {f"add_{name}": getattr(self, name) for name in COLUMNS}


NOTHING: Final = Spent()


def added() -> dict[str, Any]:
    """Columns that add the costs in `Spent.values` to those of the job."""
    return {
        name: jobs.c[name] + bindparam(f"add_{name}", type_=jobs.c[name].type) for name in COLUMNS
    }


def added_now(spent: Spent) -> dict[str, Any]:
    """Columns that add these costs to those of the job, as literals."""
    return {name: jobs.c[name] + getattr(spent, name) for name in COLUMNS if spent != NOTHING}


def add_late(session: Session, fence: Fence, number: int, spent: Spent) -> None:
    """Add the costs of a run that no longer owns its stage: they were paid all the same.

    Nothing is added if the run itself wrote the stage's record, in a commit whose reply was lost:
    the record has the costs. A completed or failed job keeps its receipt, which may have been read;
    what a late owner paid again is counted in `paid_duplicates`.

    Args:
        number: the number of the event with which the run began.
    """
    line = jobs.c.stages[fence.stage]
    written = line["began"].as_integer() == number
    told = jobs.c["user_id", "completed_at", "budget_month", "reserved_usd"]
    job = session.execute(
        update(jobs)
        .where(
            jobs.c.id == fence.job_id,
            jobs.c.status.not_in(("completed", "failed")),
            or_(not_(line.has_key("ended")), not_(written)),
        )
        .values(**added_now(spent), reserved_usd=jobs.c.reserved_usd + spent.cost_usd)
        .returning(*told)
    ).one_or_none()
    if job is None:
        return
    if job.reserved_usd is not None:  # the job's next call needs what was reserved before
        add_reserved(session, job.user_id, job.budget_month, spent.cost_usd)
    if job.completed_at is None:
        return
    used = (spent.input_tokens, spent.output_tokens, spent.cost_usd)
    add_late_cost(session, fence.job_id, *used)
    if job.budget_month is not None and job.reserved_usd is None:
        add_settled(session, job.user_id, job.budget_month, spent.cost_usd)


def returns_costs(stage: str, *, adds: bool) -> bool:
    """Whether an UPDATE after this stage returns the costs: reading a row takes time."""
    return adds or stage == "generate"


def costs_after(
    connection: Runner, statement: Statement, values: Mapping[str, Any], *, returned: bool
) -> Spent | None:
    """Run an UPDATE of one job. Returns the costs that it returns, nothing spent if it returns no
    columns, and None if it matched no row."""
    if not returned:
        return NOTHING if statement.changed(connection, values) == 1 else None
    rows = statement.rows(connection, values)
    return Spent(*rows[0]) if rows else None
