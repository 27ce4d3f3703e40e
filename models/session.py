"""The unit of work of workers and commands: one short transaction on a pooled connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from config.settings import get_settings
from models.errors import DatabaseUnavailable


def engine_options(pool_size: int) -> dict[str, Any]:
    """How every process connects: a connection that died is replaced before it is used, and none
    waits for ever (5 s to connect, 5 s for a free one, 30 s for a statement)."""
    return {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_pre_ping": True,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        "connect_args": {
            "connect_timeout": 5,
            "application_name": "trimind",
            "options": "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    }


@lru_cache(maxsize=1)
def get_engine() -> Engine:
    """The engine of this process, made at first use, so that no fork shares a connection."""
    settings = get_settings()
    return create_engine(
        settings.database_url.get_secret_value(),
        # Whoever works here tries again by itself, so that no connection is asked for its health
        # before each use: that would cost as much as the work.
        **{**engine_options(settings.database_pool), "pool_pre_ping": False},
    )


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """One transaction: committed at the end, rolled back whole on an error.

    Raises DatabaseUnavailable where PostgreSQL can't be reached or drops the connection.
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


def is_unavailable(error: DBAPIError) -> bool:
    """Whether an error means that the server was away, rather than that the statement was wrong."""
    return error.connection_invalidated or isinstance(error, OperationalError)
