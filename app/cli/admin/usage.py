"""`trimind usage`: what users' jobs have used and cost."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, Final

import click
from sqlalchemy.orm import Session

from app.cli.admin.database import check_external_id, database
from app.cli.client.terminal import echo, line
from app.schemas.usage import DAY, UsageReport, usage_report
from models.limits import limits_of
from models.spend import Budget, budget_of
from models.usage import KEYS, SUMS, Usage, usage_of
from models.users import external_ids_of, find_user

GROUPS: Final = ("user", *KEYS)
ROWS_MAX: Final = 10_000

Row = Mapping[str, Any]


def _day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    if re.fullmatch(DAY, value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise click.BadParameter("must be a day from the year 2000 on, as 2026-01-31")


def _groups(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    if value is None:
        return None
    names = list(dict.fromkeys(value.split(","))) if value else []
    if not set(names) <= set(GROUPS):
        raise click.BadParameter(f"must be some of {', '.join(GROUPS)}, separated by commas")
    return names


@click.command()
@click.option("--user", callback=check_external_id, help="Only this user's, by your own id.")
@click.option("--from", "first", callback=_day, help="The first day, UTC; the month's first.")
@click.option("--to", "last", callback=_day, help="The last day, UTC; today.")
@click.option(
    "--group-by", "by", callback=_groups, help="Some of user, day, model, mind, as day,model."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def usage(
    user: str | None, first: date | None, last: date | None, by: list[str] | None, as_json: bool
) -> None:
    """Show what jobs that ended within some days have used and cost, up to the latest one.

    By day for one user, whose budget of this month is shown too; by user for all. Costs are in US
    dollars.
    """
    last = last or max(first or date.min, datetime.now(UTC).date())
    first = first or last.replace(day=1)
    if first > last:
        raise click.BadParameter("must not be before --from", param_hint="--to")
    groups = by if by is not None else ["day" if user else "user"]
    with database() as session:
        user_id = _find(session, user)
        columns = ["user_id" if name == "user" else name for name in groups]
        found = usage_of(session, user_id, first, last, columns, ROWS_MAX + 1)
        if len(found) > ROWS_MAX:
            raise click.ClickException(
                f"these are more than {ROWS_MAX} rows: ask for fewer days, or group by less"
            )
        budget = _budget(session, user_id)
        names = external_ids_of(session, {row.user_id for row in found if row.user_id})
    report = usage_report((first, last), groups, found, budget)
    rows = _rows(report, found, names)
    if as_json:
        echo(json.dumps({**report.model_dump(), "data": rows}, indent=2, ensure_ascii=False))
        return
    for each in _table(report, groups, rows):
        echo(line(each))


def _find(session: Session, user: str | None) -> str | None:
    if user is None:
        return None
    user_id = find_user(session.connection(), user)
    if user_id is None:
        raise click.ClickException(f"there is no user {line(user)}")
    return user_id


def _budget(session: Session, user_id: str | None) -> Budget | None:
    limit = limits_of(session, user_id).budget_usd if user_id is not None else None
    return budget_of(session, user_id, limit) if user_id and limit is not None else None


def _rows(report: UsageReport, found: Sequence[Usage], names: Mapping[str, str]) -> list[Row]:
    """The report's rows with the names of their users, which it has not."""
    return [
        {"user": names.get(row.user_id or ""), **each.model_dump()}
        for each, row in zip(report.data, found, strict=True)
    ]


def _table(report: UsageReport, groups: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Aligned lines, with the sum in the last."""
    total = report.total.model_dump() | dict.fromkeys(groups[1:], "")
    total |= {groups[0]: "total"} if groups else {}
    columns = [
        [name, *(str(row[name] if row[name] is not None else "-") for row in (*rows, total))]
        for name in (*groups, *SUMS)
    ]
    # With no group, the only row is the sum.
    columns = columns if groups else [[column[0], column[-1]] for column in columns]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        texts = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
        numbers = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
        yield "  ".join((*texts[: len(groups)], *numbers[len(groups) :])).rstrip()
    if report.budget is not None:
        yield (
            f"budget of this month: ${report.budget.limit_usd}; settled "
            f"${report.budget.settled_usd}, reserved ${report.budget.reserved_usd}, left "
            f"${report.budget.left_usd}"
        )
