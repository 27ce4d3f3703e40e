"""A statement gives the same on a session, on SQLAlchemy's connection and on the driver's."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import JSON, Integer, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import Interval, Numeric, String, Uuid

from models.errors import DatabaseUnavailable
from models.jobs import Job
from models.session import autocommit, get_engine, statements, unit_of_work
from models.statement import Driver, Runner, Statement

from .conftest import MakeJob, read

GIVEN: dict[str, Any] = {
    "id": uuid4(),
    "note": {"said": "Größe \u2028 'x' %s", "n": [1, None]},
    "line": {"a": 1},
    "pause": timedelta(seconds=90),
    "price": Decimal("0.25"),
    "name": "100 %",
    "none": None,
}
TYPES: dict[str, Any] = {
    "id": Uuid(), "note": JSONB(), "line": JSON(), "pause": Interval(), "price": Numeric(),
    "name": String(), "none": Integer(),
}  # fmt: skip
WAYS: list[Callable[[], AbstractContextManager[Runner]]] = [unit_of_work, autocommit, statements]


@pytest.fixture(autouse=True)
def running(backends: object) -> Iterator[None]:
    """Connections of one test are not those of another."""
    get_engine().dispose()
    yield
    get_engine().dispose()


def process_id(connection: Driver) -> int:
    return connection.info.backend_pid


def open_ones(count: int) -> list[int]:
    """The processes of so many connections, which are idle in the pool afterwards."""
    lent = [get_engine().raw_connection() for _ in range(count)]
    found = [process_id(cast(Driver, each.driver_connection)) for each in lent]
    for each in lent:
        each.close()
    return found


@pytest.mark.parametrize("way", WAYS)
def test_values_come_back_as_they_were_given(way: Callable[[], Any]) -> None:
    asked = (bindparam(name, type_=kind).label(f"{name}_") for name, kind in TYPES.items())
    statement = Statement(select(*asked, func.coalesce("fixed")))
    with way() as connection:
        (row,) = statement.rows(connection, GIVEN)
    assert tuple(row) == (*GIVEN.values(), "fixed")


@pytest.mark.parametrize("way", WAYS)
def test_an_update_says_how_many_rows_it_changed(way: Callable[[], Any], make_job: MakeJob) -> None:
    job_id = make_job()
    wanted = Job.id == bindparam("job_id")
    statement = Statement(update(Job).where(wanted).values(intent=bindparam("to")))
    with way() as connection:
        assert statement.changed(connection, {"job_id": job_id, "to": "coding"}) == 1
        assert statement.changed(connection, {"job_id": "job_0", "to": "coding"}) == 0
    assert read(job_id).intent == "coding"


def test_each_statement_is_committed_by_itself(make_job: MakeJob) -> None:
    job_id = make_job()
    statement = Statement(update(Job).where(Job.id == bindparam("id")).values(intent="coding"))
    with statements() as connection:
        statement.changed(connection, {"id": job_id})
        assert read(job_id).intent == "coding"


def test_a_refused_statement_fails_as_with_sqlalchemy_and_keeps_its_connection() -> None:
    number = Statement(select(func.to_number(bindparam("text"), "9")))
    (kept,) = open_ones(1)
    with pytest.raises(DBAPIError) as refused, statements() as connection:
        number.rows(connection, {"text": "x\0"})
    assert not refused.value.connection_invalidated
    with get_engine().begin() as connection:  # in a transaction again
        assert connection.scalar(text("SELECT pg_backend_pid()")) == kept
        assert not connection.connection.driver_connection.autocommit


def test_if_one_connection_was_lost_none_of_the_idle_ones_is_used_again() -> None:
    lost = open_ones(3)
    with unit_of_work() as session:
        ended = session.scalars(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid = ANY(:lost) AND pid <> pg_backend_pid()"
            ),
            {"lost": lost},
        ).all()
    assert ended == [True, True]
    with pytest.raises(DatabaseUnavailable):
        three_processes()
    assert not three_processes() & set(lost)


def three_processes() -> set[int]:
    """The processes of three connections that are used at once."""
    one = Statement(select(func.pg_backend_pid()))
    with statements() as first, statements() as second, statements() as third:
        return {one.rows(each, {})[0][0] for each in (first, second, third)}


def test_a_connection_that_was_interrupted_is_dropped() -> None:
    used: list[int] = []

    def interrupt() -> None:
        with statements() as connection:
            assert isinstance(connection, psycopg.Connection)
            used.append(process_id(connection))
            connection.execute("BEGIN")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupt()
    assert used[0] not in open_ones(1)
