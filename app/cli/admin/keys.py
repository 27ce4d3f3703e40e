"""`trimind key`: API keys."""

import json
import re
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import click

from app.cli.admin.database import check_external_id, database, operator
from app.cli.client.terminal import echo, line
from app.cli.output import as_json_option, print_result
from config.settings import get_settings
from models.api_keys import (
    NAME_MAX_CHARS,
    ApiKey,
    KeySummary,
    add_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from models.scopes import ADMIN, EVERY, USUAL
from models.users import get_or_create_user
from tasks.events.revocations import announce_revocation

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DURATION: Final = re.compile(r"([0-9]{1,5})([smhd])")


def _name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if len(value) > NAME_MAX_CHARS:
        raise click.BadParameter(f"must be at most {NAME_MAX_CHARS} characters")
    return value


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    found = DURATION.fullmatch(value)
    if found is None:
        raise click.BadParameter("must be as 90s, 30m, 12h or 30d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


_json = as_json_option
_lasts = click.option(
    "--expires-in", "lasts", callback=_duration, help="How long the key is valid: 12h, 30d."
)


@click.group()
def key() -> None:
    """Create, list, rotate and revoke API keys."""


@key.command()
@click.option("--user", required=True, callback=check_external_id, help="Your own id of the user.")
@click.option("--name", default="", callback=_name, help="A label for the key.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(sorted(EVERY)),
    help="What the key may do; repeat for several. jobs:read and jobs:write if omitted.",
)
@click.option("--admin", is_flag=True, help="For an operator: the scope admin, which has all.")
@_lasts
@_json
def create(
    user: str,
    name: str,
    scopes: tuple[str, ...],
    admin: bool,
    lasts: timedelta | None,
    as_json: bool,
) -> None:
    """Create a key and print it; it can't be shown again. Creates the user if necessary."""
    asked = sorted({*(scopes or USUAL), *([ADMIN] if admin else [])})
    with database() as session:
        user_id = get_or_create_user(session, user, operator())
        pepper = get_settings().pepper
        made, secret = add_key(
            session, user_id, pepper, name=name, scopes=asked, lasts=lasts, by=operator()
        )
    _show_new(made, secret, as_json)


@key.command("list")
@click.option("--user", callback=check_external_id, help="Only list this user's keys.")
@_json
def list_(user: str | None, as_json: bool) -> None:
    """List keys, oldest first.

    Prints id, first characters, creation time, state, last use, scopes, user and name.
    """
    with database() as session:
        found = list_keys(session, user)
    if as_json:
        echo(json.dumps([_as_json(each) for each in found], indent=2, ensure_ascii=False))
        return
    for each in found:
        click.echo(_shown(each))


@key.command()
@click.argument("key_id")
@_json
def revoke(key_id: str, as_json: bool) -> None:
    """Revoke a key at once, by the id that `trimind key list` shows."""
    with database() as session:
        user_id = revoke_key(session, key_id, operator())
        if user_id is None:
            raise _no_such_key(key_id)
    announce_revocation(user_id)
    print_result(as_json, {"id": key_id, "state": "revoked"}, f"{key_id} is revoked.")


@key.command()
@click.argument("key_id")
@click.option("--overlap", default="1h", callback=_duration, help="The old key's rest; 1h.")
@_lasts
@_json
def rotate(key_id: str, overlap: timedelta, lasts: timedelta | None, as_json: bool) -> None:
    """Print a new key with the name and the scopes of an old one, which ends after an overlap.

    The new key is valid for as long as the old one was to be, unless --expires-in says otherwise.
    """
    with database() as session:
        old = session.get(ApiKey, key_id)
        if old is None:
            raise _no_such_key(key_id)
        pepper = get_settings().pepper
        made, secret = rotate_key(session, old, pepper, overlap, lasts=lasts, by=operator())
    announce_revocation(made.user_id)
    _show_new(made, secret, as_json)


def _no_such_key(key_id: str) -> click.ClickException:
    return click.ClickException(f"there is no key {line(key_id)}; see `trimind key list`")


def _show_new(made: ApiKey, secret: str, as_json: bool) -> None:
    if not as_json:
        click.echo(secret)
        return
    columns = ("id", "name", "scopes", "created_at", "expires_at")
    shown = {name: _text(getattr(made, name)) for name in columns}
    echo(json.dumps({**shown, "key": secret}, indent=2, ensure_ascii=False))


def _shown(each: KeySummary) -> str:
    state = each.state
    if each.state == "revoked":
        state = f"revoked {each.revoked_at:%Y-%m-%d %H:%M}"
    elif each.expires_at:
        state = f"{'active until' if state == 'active' else state} {each.expires_at:%Y-%m-%d %H:%M}"
    used = f"used {each.last_used_at:%Y-%m-%d %H:%M}" if each.last_used_at else "never used"
    made = f"{each.created_at:%Y-%m-%d %H:%M}"
    scopes = ",".join(each.scopes)
    columns = (each.id, f"{each.hint}…", made, f"{state:<29}", f"{used:<21}", scopes)
    return line("  ".join((*columns, each.user, each.name)).rstrip())


def _as_json(each: KeySummary) -> dict[str, Any]:
    return {name: _text(value) for name, value in asdict(each).items()}


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
