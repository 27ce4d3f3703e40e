"""What calls of models have cost, as it is added up on a job's row."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from sqlalchemy import bindparam, not_, or_, update
from sqlalchemy.orm import Session

from models.lifecycle.fence import Fence, jobs

COLUMNS: Final = ("input_tokens", "output_tokens", "cost_usd")


@dataclass(frozen=True)
class Spent:
    """Tokens, said by the provider or counted here, and their price in US dollars."""

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
        """As the parameters of `added`."""
        return {f"add_{name}": getattr(self, name) for name in COLUMNS}


NOTHING: Final = Spent()


def added() -> dict[str, Any]:
    """The columns of a job that adds what was spent to what it had; for `Spent.values`."""
    return {
        name: jobs.c[name] + bindparam(f"add_{name}", type_=jobs.c[name].type) for name in COLUMNS
    }


def added_now(spent: Spent) -> dict[str, Any]:
    """The same, for a statement that is built for these numbers."""
    return {name: jobs.c[name] + getattr(spent, name) for name in COLUMNS if spent != NOTHING}


def add_late(session: Session, fence: Fence, number: int, spent: Spent) -> None:
    """Add what a run has spent that does not own its stage any more: it was paid for all the same.

    `number` is that of the event that the run began with. Where the stage's line was written by
    this very run, in a commit whose reply was lost, it is there already. A job that has its answer,
    or has failed, keeps its receipt as it may have been read: what a late owner paid for once more
    is counted as `paid_duplicates`.
    """
    line = jobs.c.stages[fence.stage]
    written = line["began"].as_integer() == number
    session.execute(
        update(jobs)
        .where(
            jobs.c.id == fence.job_id,
            jobs.c.status.not_in(("completed", "failed")),
            or_(not_(line.has_key("ended")), not_(written)),
        )
        .values(added_now(spent))
    )
