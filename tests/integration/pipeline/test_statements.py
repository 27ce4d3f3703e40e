"""The SQL on the path of a job: few statements, each built once in a process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from models.session import get_engine
from tasks.resilience import breaker
from tests.integration.statements import executed_by_the_driver

from .conftest import SetVariables, Submit, read
from .going_on import go_through


@pytest.fixture(autouse=True)
def closed_breakers(variables: SetVariables, environment: dict[str, str]) -> None:
    """As in test_stages.py."""
    variables(REDIS_URL=environment["REDIS_URL"].removesuffix("/0") + "/1")
    breaker.reset_all()


def test_a_short_first_message_takes_three_transactions(accept: Submit) -> None:
    go_through(accept("Hello!"))
    job_id = accept("Hello!")
    with executed() as statements:
        go_through(job_id)
    assert read(job_id).status == "completed"
    assert len(statements) == 3  # begin, the handover to generate, and the completion


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


class Executed:
    """The statements that stages execute in other threads than the test's own: SQLAlchemy's, and
    the texts of those that the driver is given at once."""

    def __init__(self) -> None:
        self.statements: list[Any] = []
        self._compiled: set[str] = set()
        self._others = {thread.ident for thread in threading.enumerate()}

    def note(self, _connection: object, statement: Any, *_: object) -> None:
        if threading.get_ident() not in self._others:
            self.statements.append(statement)

    def note_compiled(self, _connection: object, _cursor: object, text: str, *_: object) -> None:
        self._compiled.add(text)

    def note_text(self, text: Any) -> None:
        if text not in self._compiled:
            self.note(None, text)


@contextmanager
def executed() -> Iterator[list[Any]]:
    """The statements that stages execute meanwhile."""
    engine, seen = get_engine(), Executed()
    listeners: dict[str, Callable[..., Any]] = {
        "before_execute": seen.note,
        "before_cursor_execute": seen.note_compiled,
    }
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        with executed_by_the_driver(seen.note_text):
            yield seen.statements
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)
