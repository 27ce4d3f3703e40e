"""Query and response bodies of usage."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.http.problems import invalid
from app.schemas.examples import MODEL, USAGE
from app.schemas.times import timestamp
from models.spend import Budget
from models.usage import KEYS, Usage

DAYS_MAX: Final = 366
ROWS_MAX: Final = 1000
GROUPS: Final = "|".join(KEYS)
DAY: Final = "^2[0-9]{3}-[0-9]{2}-[0-9]{2}$"


def _day(sent: str | None) -> date | None:
    """Only this form, of many that pydantic accepts."""
    if sent is None:
        return None
    if re.fullmatch(DAY, sent):
        with suppress(ValueError):
            return date.fromisoformat(sent)
    raise PydanticCustomError("invalid", "must be a day from the year 2000 on, as in 2026-01-31")


def _groups(sent: str) -> str:
    names = sent.split(",")
    if sent and any(name not in KEYS for name in names):
        raise PydanticCustomError("not_allowed", "must be some of day, model and mind")
    return sent


Day = Annotated[date | None, BeforeValidator(_day)]


class UsageQuery(BaseModel):
    """Which usage, and how it is grouped."""

    model_config = ConfigDict(extra="forbid")

    first: Day = Field(
        None,
        alias="from",
        description="The first day, in UTC. Defaults to the first of the month of the last day.",
        json_schema_extra={"format": "date", "pattern": DAY, "example": "2026-01-01"},
    )
    last: Day = Field(
        None,
        alias="to",
        description=f"The last day, in UTC, at most {DAYS_MAX - 1} days later. Defaults to today, "
        "or to the last day possible.",
        json_schema_extra={"format": "date", "pattern": DAY, "example": "2026-01-31"},
    )
    group_by: Annotated[str, AfterValidator(_groups)] = Field(
        "day",
        description="Some of `day`, `model` and `mind`, separated by commas, by which the rows are "
        "grouped and sorted.",
        json_schema_extra={
            "pattern": f"^(({GROUPS})(,({GROUPS}))*)?$",
            "example": "day,model",
        },
    )

    def days(self) -> tuple[date, date]:
        """Return the first and the last day. Raises Refusal if they can't be meant."""
        last = self.last or datetime.now(UTC).date()
        first = self.first or last.replace(day=1)
        most = timedelta(days=DAYS_MAX - 1)
        if self.last is None:
            last = min(max(first, last), first + most)
        if first > last:
            raise invalid("to", "contradiction", "must not be before `from`")
        if last - first > most:
            raise invalid("to", "contradiction", f"must be at most {most.days} days after `from`")
        return first, last

    def groups(self) -> tuple[str, ...]:
        """Return what the rows are grouped by."""
        return tuple(dict.fromkeys(filter(None, self.group_by.split(","))))


class UsageTotal(BaseModel):
    """What jobs have used."""

    jobs: int = Field(description="Jobs that ended, however they did.")
    input_tokens: int = Field(description="Tokens sent to models, as providers count them.")
    output_tokens: int = Field(description="Tokens of their answers.")
    tokens_saved: int = Field(description="Input tokens saved by compression.")
    cost_usd: str = Field(description="What they have cost in US dollars, failed calls included.")
    saved_usd: str = Field(
        description="What the saved tokens would have cost, by the price of the model that "
        "answered at that time."
    )
    paid_duplicates: int = Field(
        description="Calls that were paid for though another run's answer was kept."
    )


class UsageRow(UsageTotal):
    """What jobs have used that have what they are grouped by in common."""

    day: str | None = Field(description="The day on which they ended, in UTC.")
    model: str | None = Field(
        description="The model that answered, or would have been asked first; null also for jobs "
        "that ended before their route was known."
    )
    mind: str | None = Field(description="The mind.")


class BudgetBody(BaseModel):
    """The user's budget of this month, in US dollars."""

    limit_usd: str = Field(description="What the jobs of a month may cost.")
    settled_usd: str = Field(description="What the jobs that have ended have cost.")
    reserved_usd: str = Field(description="What unfinished jobs may cost at most.")
    left_usd: str = Field(description="What is left for new jobs.")
    resets_at: str = Field(description="When the next month begins.")


_TOTAL: Final[dict[str, Any]] = {"jobs": 1, **USAGE, "saved_usd": "0.000000"}


class UsageReport(BaseModel):
    """What the user's jobs have used, and what is left of the budget."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "usage",
                "first_day": "2026-01-01",
                "last_day": "2026-01-31",
                "group_by": ["day", "model"],
                "data": [{**_TOTAL, "day": "2026-01-31", "model": MODEL, "mind": None}],
                "total": _TOTAL,
                "budget": None,
            }
        },
    )

    object: Literal["usage"] = "usage"
    first_day: str = Field(description="The first day.")
    last_day: str = Field(description="The last day.")
    group_by: list[str] = Field(description="What the rows are grouped by.")
    data: list[UsageRow] = Field(description=f"The rows, {ROWS_MAX} at most.")
    total: UsageTotal = Field(description="The sum of all rows.")
    budget: BudgetBody | None = Field(description="Null: the user has no budget.")


def usage_report(
    days: tuple[date, date], by: Sequence[str], rows: Sequence[Usage], budget: Budget | None
) -> UsageReport:
    """Return the response body of some usage."""
    return UsageReport(
        first_day=days[0].isoformat(),
        last_day=days[1].isoformat(),
        group_by=list(by),
        data=[_row(row) for row in rows],
        total=_total(rows),
        budget=_budget(budget) if budget is not None else None,
    )


def _row(usage: Usage) -> UsageRow:
    return UsageRow(
        day=usage.day.isoformat() if usage.day else None,
        model=usage.model or None,
        mind=usage.mind,
        **_numbers([usage]),
    )


def _total(rows: Sequence[Usage]) -> UsageTotal:
    return UsageTotal(**_numbers(rows))


def _numbers(rows: Sequence[Usage]) -> dict[str, Any]:
    return {
        "jobs": sum(row.jobs for row in rows),
        "input_tokens": sum(row.input_tokens for row in rows),
        "output_tokens": sum(row.output_tokens for row in rows),
        "tokens_saved": sum(row.tokens_saved for row in rows),
        "cost_usd": _usd(sum((row.cost_usd for row in rows), Decimal(0))),
        "saved_usd": _usd(sum((row.saved_usd for row in rows), Decimal(0))),
        "paid_duplicates": sum(row.paid_duplicates for row in rows),
    }


def _budget(budget: Budget) -> BudgetBody:
    return BudgetBody(
        limit_usd=_usd(budget.limit_usd),
        settled_usd=_usd(budget.settled_usd),
        reserved_usd=_usd(budget.reserved_usd),
        left_usd=_usd(budget.left_usd),
        resets_at=timestamp(budget.resets_at),
    )


def _usd(amount: Decimal) -> str:
    return f"{amount:.6f}"
