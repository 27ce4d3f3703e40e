"""Upgrade the schema, and say which version it has."""

from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from models.session import get_engine


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def upgrade() -> None:
    """Bring the schema to the newest version; two at once take turns, a second does nothing."""
    command.upgrade(_config(), "head")


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
