"""What the commands for operators share: a transaction, and who runs them."""

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.auth.bearer import EXTERNAL_ID
from app.cli.local.running import join_installation_or_fail
from models.audit import Actor
from models.errors import DatabaseUnavailable, TrimindError
from models.session import unit_of_work
from models.users import EXTERNAL_ID_MAX_CHARS


@contextmanager
def database() -> Iterator[Session]:
    """A transaction on the installation's database; ClickException if it is unavailable."""
    join_installation_or_fail()
    try:
        with unit_of_work() as session:
            yield session
    except DatabaseUnavailable as error:
        raise click.ClickException(f"DATABASE_URL: {error}") from None
    except TrimindError as error:
        raise click.ClickException(str(error)) from None
    except ProgrammingError:  # there are no tables
        raise click.ClickException("the database has no schema: run `trimind db upgrade`") from None


def operator() -> Actor:
    """Who runs this command, for the audit log."""
    try:
        return Actor(f"command {getpass.getuser()}")
    except (KeyError, OSError):  # the user has no name, as in some containers
        return Actor("command")


def check_external_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse what can't be a user's external id; a callback of an option."""
    if value is not None and not re.fullmatch(EXTERNAL_ID, value):
        raise click.BadParameter(f"must be 1 to {EXTERNAL_ID_MAX_CHARS} visible ASCII characters")
    return value
