"""Upgrade the schema, and say which version it has."""

from functools import lru_cache
from logging import getLogger
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from models.session import get_engine

# It names its own parts at each look at the version, and /readyz looks every few seconds.
getLogger(MigrationContext.__module__).addFilter(lambda record: "Running" in str(record.msg))


class SchemaOutdated(Exception):
    """The database's schema is not the one that this version needs; the message says what to do."""


def _config() -> Config:
    config = Config()
    # Alembic expands a % as ConfigParser does, and a folder may have one in its name.
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", folder)
    return config


def upgrade() -> None:
    """Bring the schema to the newest version; two at once take turns, a second does nothing.

    Raises SchemaOutdated where the schema is not at that version afterwards: an installation whose
    migrations are missing must not be taken for one that has nothing to do.
    """
    if newest_version() is None:
        raise SchemaOutdated("This installation has no migrations. Install it again.")
    command.upgrade(_config(), "head")
    current, newest = versions()
    if current != newest:
        raise SchemaOutdated(f"The schema is at version {current}, not at {newest}.")


def current_version(connection: Connection) -> str | None:
    """The schema's version in the database; None before the first upgrade."""
    return MigrationContext.configure(connection).get_current_revision()


@lru_cache(maxsize=1)
def newest_version() -> str | None:
    """The newest version that this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def versions() -> tuple[str | None, str | None]:
    """The schema's version in the database, and the newest that this code knows."""
    with get_engine().connect() as connection:
        return current_version(connection), newest_version()
