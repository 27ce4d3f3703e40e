"""Upgrade the schema, and say which version it has."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from models.session import get_engine


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def upgrade() -> None:
    """Bring the schema to the newest version; two at once take turns, a second does nothing."""
    command.upgrade(_config(), "head")


def versions() -> tuple[str | None, str | None]:
    """The schema's version in the database, and the newest that this code knows."""
    with get_engine().connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()
