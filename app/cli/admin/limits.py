"""`trimind user limits`: how much one user may use."""

from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Final

import click

from app.cli.admin.database import check_external_id, database, operator
from app.cli.client.terminal import line
from app.cli.output import as_json_option, print_result
from config.settings import read_settings
from models.limits import MOST, MOST_SHARE, MOST_USD, Limits, change_limits, limits_of
from models.users import find_user

COUNT: Final = click.IntRange(0, MOST)
SHARE: Final = click.IntRange(1, MOST_SHARE)
MICRO: Final = Decimal("0.000001")


def _usd(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    if value is None:
        return None
    refused = click.BadParameter(f"must be US dollars from 0 to {MOST_USD}, as in 12.50")
    try:
        usd = Decimal(value)
        is_valid = 0 <= usd <= MOST_USD and usd == usd.quantize(MICRO)
    except InvalidOperation:
        raise refused from None
    if not is_valid:
        raise refused
    return usd


@click.command()
@click.argument("user", callback=check_external_id)
@click.option("--requests-per-minute", type=COUNT, help="Requests within a minute.")
@click.option("--jobs", type=COUNT, help="Unfinished jobs.")
@click.option("--jobs-in-flight", type=SHARE, help="Of them, queued for workers or running.")
@click.option("--streams", type=COUNT, help="Open streams and waits.")
@click.option("--spend-usd", callback=_usd, help="US dollars for the jobs of a calendar month.")
@click.option("--reset", is_flag=True, help="First make all as the settings say.")
@as_json_option
def limits(user: str, reset: bool, as_json: bool, **given: int | Decimal | None) -> None:
    """Show a user's limits, or change some; 0 means none. Jobs beyond --jobs-in-flight wait for
    their turn; beyond the others, calls are refused. USER is your own id of the user.

    A change reaches the web processes within seconds. A new budget includes what the user's jobs
    have cost in this month.
    """
    changes = {name: value for name, value in given.items() if reset or value is not None}
    with database() as session:
        user_id = find_user(session.connection(), user)
        if user_id is None:
            raise click.ClickException(f"there is no user {line(user)}")
        if changes:
            change_limits(session, user_id, changes, operator())
        own = limits_of(session, user_id)
    print_result(as_json, _effective(own), "\n".join(_lines(own)))


def _effective(own: Limits) -> dict[str, dict[str, object]]:
    """Each limit, and whether it is the user's own; 0 is none."""
    return {
        name: {"value": _default(name) if value is None else value, "own": value is not None}
        for name, value in asdict(own).items()
    }


def _lines(own: Limits) -> list[str]:
    return [
        f"{name:<20}  {_shown(value, _default(name), name)}" for name, value in asdict(own).items()
    ]


def _default(name: str) -> int | Decimal:
    settings = read_settings()
    defaults: dict[str, int | Decimal] = {
        "requests_per_minute": settings.requests_per_minute,
        "jobs": settings.jobs_per_user,
        "jobs_in_flight": settings.user_share,
        "streams": settings.streams_per_user,
        "spend_usd": settings.spend_limit_usd,
    }
    return defaults[name]


def _shown(own: int | Decimal | None, default: int | Decimal, name: str) -> str:
    value = own if own is not None else default
    none = "half of WEB_STREAMS" if name == "streams" else "no limit"
    shown = f"{value.normalize():f}" if isinstance(value, Decimal) else value
    return f"{shown if value else none}{'' if own is not None else '  (default)'}"
