"""`trimind key`: API keys."""

import click

from app.cli.admin.database import check_external_id, database, operator
from app.cli.client.terminal import line
from config.settings import get_settings
from models.api_keys import ADMIN, KeySummary, create_key, list_keys, revoke_key
from models.users import get_or_create_user
from tasks.events.revocations import announce_revocation

NAME_MAX_CHARS = 100


def _name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if len(value) > NAME_MAX_CHARS:
        raise click.BadParameter(f"must be at most {NAME_MAX_CHARS} characters")
    return value


@click.group()
def key() -> None:
    """Create, list and revoke API keys."""


@key.command()
@click.option("--user", required=True, callback=check_external_id, help="Your own id of the user.")
@click.option("--name", default="", callback=_name, help="A label for the key.")
@click.option("--admin", is_flag=True, help="For an operator: everybody's jobs, and the board.")
def create(user: str, name: str, admin: bool) -> None:
    """Create a key and print it; it can't be shown again. Creates the user if necessary."""
    with database() as session:
        user_id = get_or_create_user(session, user)
        scopes = [ADMIN] if admin else []
        made = create_key(session, user_id, name, get_settings().pepper, scopes, operator())
    click.echo(made)


@key.command("list")
@click.option("--user", callback=check_external_id, help="Only list this user's keys.")
def list_(user: str | None) -> None:
    """List keys, oldest first.

    Prints id, first characters, creation time, state, user and name.
    """
    with database() as session:
        found = list_keys(session, user)
    for each in found:
        click.echo(_shown(each))


@key.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke a key at once, by the id that `trimind key list` shows."""
    with database() as session:
        if not revoke_key(session, key_id, operator()):
            raise click.ClickException(f"there is no key {line(key_id)}; see `trimind key list`")
    announce_revocation()
    click.echo(f"{key_id} is revoked.")


def _shown(each: KeySummary) -> str:
    state = f"revoked {each.revoked_at:%Y-%m-%d %H:%M}" if each.revoked_at else "active"
    made = f"{each.created_at:%Y-%m-%d %H:%M}"
    return line(f"{each.id}  {each.hint}…  {made}  {state:<24}  {each.user}  {each.name}".rstrip())
