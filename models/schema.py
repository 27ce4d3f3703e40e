"""The schema's version, and its upgrade."""

from functools import lru_cache
from logging import getLogger
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from models.session import get_engine

# Alembic logs these lines at each check of the version, and /readyz checks every few seconds.
getLogger(MigrationContext.__module__).addFilter(lambda record: "Running" in str(record.msg))


class SchemaOutdated(Exception):
    """The database's schema is not the one that this release needs; the message says what to do."""


def _config() -> Config:
    config = Config()
    # Alembic expands % like ConfigParser, and a folder's name may contain one.
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", folder)
    return config


def upgrade() -> None:
    """Upgrade the schema to the newest version. Concurrent upgrades take turns.

    Raises:
        SchemaOutdated: the schema is not at that version afterwards, as in an installation without
            migrations, which must not look up to date.
    """
    if newest_version() is None:
        raise SchemaOutdated("This installation has no migrations. Install it again.")
    command.upgrade(_config(), "head")
    current, newest = versions()
    if current != newest:
        raise SchemaOutdated(f"The schema is at version {current}, not at {newest}.")


def current_version(connection: Connection) -> str | None:
    """The version of the database's schema; None before the first upgrade."""
    return MigrationContext.configure(connection).get_current_revision()


@lru_cache(maxsize=1)
def newest_version() -> str | None:
    """The newest version among the migrations."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def versions() -> tuple[str | None, str | None]:
    """The version of the database's schema, and the newest among the migrations."""
    with get_engine().connect() as connection:
        return current_version(connection), newest_version()
