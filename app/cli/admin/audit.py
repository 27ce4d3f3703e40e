"""`trimind audit`: who changed who may do what."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import click

from app.cli.admin.database import check_external_id, database
from app.cli.client.terminal import echo, line
from models.audit import AuditEntry
from models.audit_lists import list_entries

UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def _since(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> datetime | timedelta | None:
    if value is None:
        return None
    if ago := re.fullmatch(r"([0-9]{1,5})([mhd])", value):
        return timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter("must be as 30m, 24h, 7d, or a time as 2026-01-31T09:30") from None


@click.command()
@click.option("--user", callback=check_external_id, help="Only this user's, by either id.")
@click.option("--action", help="Only this action, as key.revoked, or this kind, as key.")
@click.option("--since", callback=_since, help="Not older: 30m, 24h, 7d, or a time (ISO 8601).")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="How many; 100.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(
    user: str | None,
    action: str | None,
    since: datetime | timedelta | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the changes of access, newest first.

    Prints time, action, subject, user, actor, request, address and details.
    """
    with database() as session:
        found = list_entries(session, user=user, action=action, since=since, limit=limit)
    if as_json:
        echo(json.dumps([_as_json(each) for each in found], indent=2, ensure_ascii=False))
        return
    for each in found:
        echo(line(_shown(each)))


def _shown(each: AuditEntry) -> str:
    named = {"request": each.request_id, "from": each.address, **each.details}
    return (
        f"{each.at.astimezone():%Y-%m-%d %H:%M:%S}  {each.action:<16}  {each.subject}"
        f"  user={each.user_id or '-'}  by={each.actor}  {_pairs(named)}".rstrip()
    )


def _pairs(named: Mapping[str, Any]) -> str:
    known = ((name, value) for name, value in named.items() if value not in (None, "", []))
    return "  ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in known
    )


def _as_json(each: AuditEntry) -> dict[str, Any]:
    columns = ("id", "actor", "action", "subject", "user_id", "details", "request_id", "address")
    return {"at": each.at.isoformat(), **{name: getattr(each, name) for name in columns}}
