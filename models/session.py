"""The unit of work: one short transaction on a connection from the process's pool."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, PoolProxiedConnection, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from config.once import once
from config.settings import get_settings
from models.connection import is_pooled, open_engine
from models.errors import DatabaseUnavailable
from models.sqlstates import is_lost, is_unavailable
from models.statement import Driver

# For so long after its last use, a silent connection counts as alive: a ping before each use cost a
# fifth of a read. A server that shuts down says so, or closes the socket.
TRUSTED_S: Final = 10.0
USED_AT: Final = "trimind.used_at"


@once
def get_engine() -> Engine:
    """The engine of this process, created on first use, so that no fork shares a connection.

    Its pool has at most `DATABASE_POOL` connections. Every wait is bounded: 5 s to connect, 5 s for
    a free connection, 30 s for a statement.
    """
    settings = get_settings()
    return open_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool,
        max_overflow=0,
        pool_timeout=5,
        pool_recycle=1800,
        pool_use_lifo=True,  # few warm server processes instead of many cold ones
    )


@contextmanager
def autocommit() -> Iterator[Connection]:
    """A connection on which each statement is a transaction of its own, which saves the round trips
    of BEGIN and COMMIT. Unlike `statements`, it raises the driver's errors."""
    with get_engine().connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def ask_before_use(engine: Engine) -> None:
    """Replace dead connections before a request gets them. Workers don't need this: they retry, and
    a ping would cost them as much as the work."""
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ping)


def _note_use(_connection: Any, record: Any) -> None:
    record.info[USED_AT] = time.monotonic()


def _ping(connection: Any, record: Any, _proxy: Any) -> None:
    try:
        if connection.closed:
            raise InvalidatePoolError
        if _is_silent(connection) and time.monotonic() - record.info.get(USED_AT, 0) < TRUSTED_S:
            return
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except psycopg.Error as error:
        raise InvalidatePoolError from error


def _is_silent(connection: Any) -> bool:
    """Whether the server has sent nothing since its last answer: no error, no end of file."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """One transaction, committed at the end and rolled back on an error.

    Raises:
        DatabaseUnavailable: PostgreSQL can't be reached, drops the connection, or is read-only, as
            after a failover.
    """
    with (
        outages_translated(),
        Session(get_engine(), expire_on_commit=False) as session,
        session.begin(),
    ):
        yield session


@contextmanager
def statements() -> Iterator[Connection | Driver]:
    """A connection on which each `Statement` is a transaction of its own, which saves the round
    trips of BEGIN and COMMIT. It is the driver's, which takes a quarter of SQLAlchemy's time.
    Behind a pooler all statements are one transaction, in which their time limit is set.

    Raises:
        DatabaseUnavailable: as `unit_of_work`.
    """
    with outages_translated():
        with _driver_errors_wrapped():
            lent = get_engine().raw_connection()
        driver = cast(Driver, lent.driver_connection)
        if not is_pooled(driver):
            with _driver_errors_wrapped(), _used(lent, driver):
                yield driver
            return
        lent.close()
        with get_engine().begin() as connection:
            yield connection


@contextmanager
def _used(lent: PoolProxiedConnection, driver: Driver) -> Iterator[None]:
    """Use a connection without transactions, and return it to the pool, or drop it if it can't be
    used again."""
    try:
        driver.autocommit = True
        yield
    except psycopg.Error as error:
        if driver.closed or is_lost(error.sqlstate or ""):
            lent.invalidate(error)
            get_engine().dispose()  # the idle ones too: a new one may reach the new primary
        raise
    finally:
        if lent.is_valid and driver.pgconn.transaction_status == TransactionStatus.IDLE:
            driver.autocommit = False
            lent.close()
        elif lent.is_valid:  # interrupted in the middle of a statement
            lent.invalidate()


@contextmanager
def _driver_errors_wrapped() -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy does."""
    try:
        yield
    except psycopg.Error as error:
        kind = OperationalError if isinstance(error, psycopg.OperationalError) else DBAPIError
        raise kind(None, None, error) from error


@contextmanager
def outages_translated() -> Iterator[None]:
    """Raise DatabaseUnavailable instead of the driver's errors of an unavailable server."""
    try:
        yield
    except DBAPIError as error:
        if is_unavailable(error):
            raise DatabaseUnavailable("PostgreSQL is unavailable.") from error
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable("No database connection was free within 5 s.") from error
