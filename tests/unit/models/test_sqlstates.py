"""Which errors mean that the database is unavailable, whatever the driver's class."""

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, InternalError, ProgrammingError

from models.sqlstates import is_lost, is_unavailable


def error_of(sqlstate: str) -> DBAPIError:
    # SQLAlchemy's least specific class: an OperationalError would say it by its class.
    return InternalError("SELECT 1", {}, psycopg.errors.lookup(sqlstate)("away"))


@pytest.mark.parametrize(
    "sqlstate",
    ["25006", "25P03", "26000", "42P05", "57P01", "57P02", "57P03", "57P05", "08006", "08P01"],
)
def test_a_connection_to_a_server_that_is_no_use_is_dropped(sqlstate: str) -> None:
    assert is_lost(sqlstate)
    assert is_unavailable(error_of(sqlstate))


@pytest.mark.parametrize(
    "sqlstate", ["40001", "40P01", "53100", "53200", "53300", "55P03", "57014", "58030"]
)
def test_a_busy_server_is_retried_on_the_same_connection(sqlstate: str) -> None:
    assert not is_lost(sqlstate)
    assert is_unavailable(error_of(sqlstate))


@pytest.mark.parametrize("sqlstate", ["22001", "23505", "42601", "42P01", "25001"])
def test_a_wrong_statement_is_no_outage(sqlstate: str) -> None:
    assert not is_unavailable(error_of(sqlstate))
    assert not is_unavailable(ProgrammingError("SELEKT", {}, psycopg.errors.SyntaxError("no")))
