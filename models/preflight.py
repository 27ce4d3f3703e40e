"""What a process checks of the database before it starts: that which no later attempt would mend.

A server that is away is another matter: jobs wait until it is back.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from config.refused_passwords import refused_passwords
from config.settings import Settings, refuse_start
from models.schema import newest_version, suffices

TIMEOUT_S: Final = 2
CLOCKS_APART_S: Final = 300
OLDEST: Final = 13


def refuse_unusable_servers(settings: Settings) -> None:
    """Exit, saying of each server that can't be used as it is what to do (status 78)."""
    if problems := [*refused_passwords(settings), *_of_database(settings)]:
        refuse_start("\n".join(problems))


def _of_database(settings: Settings) -> Iterator[str]:
    url = settings.database_url.get_secret_value().replace("+psycopg", "", 1)
    parameters: dict[str, Any] = {"connect_timeout": TIMEOUT_S, **conninfo_to_dict(url)}
    try:
        with closing(psycopg.connect(**parameters, autocommit=True)) as connection:
            yield from _unusable(connection)
    except psycopg.Error:
        return  # it is away: whoever needs it says so


def _unusable(connection: psycopg.Connection[Any]) -> Iterator[str]:
    if (version := connection.info.server_version // 10_000) < OLDEST:
        yield f"DATABASE_URL: PostgreSQL {version} is too old; use {OLDEST} or newer"
    ahead = _ahead(connection)
    if abs(ahead) > CLOCKS_APART_S:
        where = "behind" if ahead > 0 else "ahead of"
        yield (
            f"The clock of this machine is {abs(ahead):.0f} s {where} PostgreSQL's; "
            "synchronize them, for example by systemd-timesyncd or chrony"
        )
    schema = _schema(connection)
    if not suffices(schema):
        yield (
            f"DATABASE_URL: the schema is at version {schema or 'none'}, and this release needs "
            f"{newest_version()}; run `trimind db upgrade`"
        )


def _ahead(connection: psycopg.Connection[Any]) -> float:
    """How many seconds PostgreSQL's clock is ahead of this machine's."""
    before = time.time()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
    return float(row[0]) - (before + time.time()) / 2 if row else 0.0


def _schema(connection: psycopg.Connection[Any]) -> str | None:
    """The version of the schema. A newer one is welcome: a release migrates it while processes of
    the release before still start."""
    there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if there is None or there[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None
