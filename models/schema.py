"""The schema's version, and its upgrade."""

from functools import lru_cache
from logging import getLogger
from pathlib import Path

from sqlalchemy import Connection, text

from models.session import get_engine

MIGRATIONS = Path(__file__).with_name("migrations")

# Of Alembic's lines, those that say what is done.
getLogger("alembic.runtime.migration").addFilter(lambda record: "Running" in str(record.msg))


class SchemaOutdated(Exception):
    """The database's schema is not the one that this release needs; the message says what to do."""


def upgrade() -> None:
    """Upgrade the schema to the newest version. Concurrent upgrades take turns.

    A newer schema is left as it is: the release after this one migrated it, before it was replaced
    by this one again.

    Raises:
        SchemaOutdated: the schema is not at that version afterwards, as in an installation without
            migrations, which must not look up to date.
    """
    if newest_version() is None:
        raise SchemaOutdated("This installation has no migrations. Install it again.")
    current, newest = versions()
    if current != newest and suffices(current):
        return
    # Imported here, since it takes 7 MB, and the web process only reads versions.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic expands % like ConfigParser, and a folder's name may contain one.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
    current, newest = versions()
    if current != newest:
        raise SchemaOutdated(f"The schema is at version {current}, not at {newest}.")


def suffices(version: str | None) -> bool:
    """Whether this release can work on a schema of this version: on its own, or on a newer one, to
    which the release after this one migrates it while processes of this one still run."""
    newest = newest_version()
    return version is not None and newest is not None and version >= newest


def current_version(connection: Connection) -> str | None:
    """The version of the database's schema; None before the first upgrade."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


@lru_cache(maxsize=1)
def newest_version() -> str | None:
    """The newest version among the migrations, whose names begin with it."""
    names = [file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py")]
    return max(names).partition("_")[0] if names else None


def versions() -> tuple[str | None, str | None]:
    """The version of the database's schema, and the newest among the migrations."""
    with get_engine().connect() as connection:
        return current_version(connection), newest_version()
