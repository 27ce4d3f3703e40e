"""One row, read by the driver itself: SQLAlchemy's own work for a statement, its connection and its
transaction takes three times as long as such a read."""

from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import Select

from models.session import autocommit, get_engine


def read_row(statement: Select[Any], values: dict[str, Any]) -> tuple[Any, ...] | None:
    """The first row of a statement that was built once, read outside of a transaction; None if
    there is none. Values and columns are of types that the driver knows: SQLAlchemy converts none.

    Raises:
        DBAPIError: as SQLAlchemy raises it.
    """
    try:
        return _read_directly(_sql_of(statement), values)
    except psycopg.Error:
        # SQLAlchemy's way tells what is wrong, or finds a connection that works.
        with autocommit() as connection:
            row = connection.execute(statement, values).first()
            return tuple(row) if row is not None else None


def _read_directly(sql: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    pooled = get_engine().raw_connection()
    try:
        driver: Any = pooled.driver_connection
        driver.autocommit = True
        row: tuple[Any, ...] | None = driver.execute(sql, values).fetchone()
        driver.autocommit = False
    except BaseException:  # it must not be used again as it is
        pooled.invalidate()
        raise
    finally:
        pooled.close()
    return row


@lru_cache(maxsize=16)
def _sql_of(statement: Select[Any]) -> str:
    return str(statement.compile(dialect=get_engine().dialect))
