"""`trimind key`: API keys."""

import re

import click
from sqlalchemy.exc import ProgrammingError

from app.auth import EXTERNAL_ID
from app.cli.running import join_installation_or_fail
from config.settings import get_settings
from models.api_keys import create_key
from models.errors import TrimindError
from models.session import unit_of_work
from models.users import EXTERNAL_ID_MAX_CHARS, get_or_create_user

NAME_MAX_CHARS = 100


def _external_id(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not re.fullmatch(EXTERNAL_ID, value):
        raise click.BadParameter(f"write 1 to {EXTERNAL_ID_MAX_CHARS} visible ASCII characters")
    return value


def _name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if len(value) > NAME_MAX_CHARS:
        raise click.BadParameter(f"write at most {NAME_MAX_CHARS} characters")
    return value


@click.group()
def key() -> None:
    """Make API keys."""


@key.command()
@click.option("--user", required=True, callback=_external_id, help="Your own name for the user.")
@click.option("--name", default="", callback=_name, help="To tell the user's keys apart.")
def create(user: str, name: str) -> None:
    """Make a key for a user, created on first sight, and print it. It cannot be shown again."""
    join_installation_or_fail()
    try:
        with unit_of_work() as session:
            user_id = get_or_create_user(session, user)
            made = create_key(session, user_id, name, get_settings().pepper)
    except TrimindError as error:
        raise click.ClickException(f"DATABASE_URL: {error}") from None
    except ProgrammingError:  # there are no tables
        raise click.ClickException("the schema is missing: run `trimind db upgrade`") from None
    click.echo(made)
