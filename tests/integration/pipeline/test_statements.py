"""The SQL on the path of a job: few statements, each built once in a process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from models.session import get_engine
from tasks.resilience import breaker

from .conftest import SetVariables, Submit, read
from .going_on import go_through


@pytest.fixture(autouse=True)
def closed_breakers(variables: SetVariables, environment: dict[str, str]) -> None:
    """As in test_stages.py."""
    variables(REDIS_URL=environment["REDIS_URL"].removesuffix("/0") + "/1")
    breaker.reset_all()


def test_a_short_first_message_takes_four_transactions(accept: Submit) -> None:
    go_through(accept("Hello!"))
    job_id = accept("Hello!")
    with executed() as statements:
        go_through(job_id)
    assert read(job_id).status == "completed"
    # begin, two handovers, and complete, in whose transaction the next job is released
    assert len(statements) == 5


def test_no_statement_is_built_for_a_job(accept: Submit) -> None:
    first = accept("Hello!")
    with executed() as before:
        go_through(first)
        go_through(accept("Hello again!", conversation_id=read(first).conversation_id))
    with executed() as statements:
        second = accept("Hello!")
        go_through(second)
        go_through(accept("Hello again!", conversation_id=read(second).conversation_id))
    assert statements
    assert {id(each) for each in statements} <= {id(each) for each in before}


@contextmanager
def executed() -> Iterator[list[Any]]:
    """The statements that stages execute meanwhile, in threads other than the test's own."""
    statements: list[Any] = []
    test, others = threading.get_ident(), {thread.ident for thread in threading.enumerate()}

    def note(_connection: Any, statement: Any, *_: Any) -> None:
        if threading.get_ident() not in {test, *others}:
            statements.append(statement)

    engine = get_engine()
    event.listen(engine, "before_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_execute", note)
