"""The unit of work: one short transaction on a connection of the process's one pool."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from config.settings import get_settings
from models.connection import open_engine
from models.errors import DatabaseUnavailable
from models.sqlstates import is_unavailable


@lru_cache(maxsize=1)
def get_engine() -> Engine:
    """The engine of this process, made at first use, so that no fork shares a connection.

    It holds `DATABASE_POOL` connections at most; none waits for ever (5 s to connect, 5 s for a
    free one, 30 s for a statement).
    """
    settings = get_settings()
    return open_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool,
        max_overflow=0,
        pool_timeout=5,
        pool_recycle=1800,
    )


def ask_before_use(engine: Engine) -> None:
    """Replace connections that died before a request gets them. Workers try again by themselves,
    and asking would cost them as much as the work."""
    event.listen(engine, "checkout", _ping)


def _ping(connection: Any, _record: Any, _proxy: Any) -> None:
    try:
        if connection.closed:
            raise InvalidatePoolError
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except psycopg.Error as error:
        raise InvalidatePoolError from error


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """One transaction: committed at the end, rolled back whole on an error.

    Raises DatabaseUnavailable where PostgreSQL can't be reached, drops the connection, or takes no
    writes, as after a failover.
    """
    try:
        with Session(get_engine(), expire_on_commit=False) as session, session.begin():
            yield session
    except DBAPIError as error:
        if is_unavailable(error):
            raise DatabaseUnavailable("PostgreSQL can't be reached.") from error
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable("No database connection was free within 5 s.") from error
