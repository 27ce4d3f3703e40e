"""`trimind key`: API keys."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.auth.bearer import EXTERNAL_ID
from app.cli.client.terminal import line
from app.cli.local.running import join_installation_or_fail
from config.settings import get_settings
from models.api_keys import ADMIN, KeySummary, create_key, list_keys, revoke_key
from models.errors import TrimindError
from models.session import unit_of_work
from models.users import EXTERNAL_ID_MAX_CHARS, get_or_create_user
from tasks.events.revocations import announce_revocation

NAME_MAX_CHARS = 100


def _external_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(EXTERNAL_ID, value):
        raise click.BadParameter(f"must be 1 to {EXTERNAL_ID_MAX_CHARS} visible ASCII characters")
    return value


def _name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if len(value) > NAME_MAX_CHARS:
        raise click.BadParameter(f"must be at most {NAME_MAX_CHARS} characters")
    return value


@click.group()
def key() -> None:
    """Create, list and revoke API keys."""


@key.command()
@click.option("--user", required=True, callback=_external_id, help="Your own id of the user.")
@click.option("--name", default="", callback=_name, help="A label for the key.")
@click.option("--admin", is_flag=True, help="For an operator: everybody's jobs, and the board.")
def create(user: str, name: str, admin: bool) -> None:
    """Create a key and print it; it can't be shown again. Creates the user if necessary."""
    with _database() as session:
        user_id = get_or_create_user(session, user)
        made = create_key(session, user_id, name, get_settings().pepper, [ADMIN] if admin else [])
    click.echo(made)


@key.command("list")
@click.option("--user", callback=_external_id, help="Only list this user's keys.")
def list_(user: str | None) -> None:
    """List keys, oldest first.

    Prints id, first characters, creation time, state, user and name.
    """
    with _database() as session:
        found = list_keys(session, user)
    for each in found:
        click.echo(_shown(each))


@key.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke a key at once, by the id that `trimind key list` shows."""
    with _database() as session:
        if not revoke_key(session, key_id):
            raise click.ClickException(f"there is no key {line(key_id)}; see `trimind key list`")
    announce_revocation()
    click.echo(f"{key_id} is revoked.")


def _shown(each: KeySummary) -> str:
    state = f"revoked {each.revoked_at:%Y-%m-%d %H:%M}" if each.revoked_at else "active"
    made = f"{each.created_at:%Y-%m-%d %H:%M}"
    return line(f"{each.id}  {each.hint}…  {made}  {state:<24}  {each.user}  {each.name}".rstrip())


@contextmanager
def _database() -> Iterator[Session]:
    """A transaction on the installation's database; ClickException if it is unavailable."""
    join_installation_or_fail()
    try:
        with unit_of_work() as session:
            yield session
    except TrimindError as error:
        raise click.ClickException(f"DATABASE_URL: {error}") from None
    except ProgrammingError:  # there are no tables
        raise click.ClickException("the database has no schema: run `trimind db upgrade`") from None
