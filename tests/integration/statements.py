"""What this process's connections from the pool execute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
import pytest
from sqlalchemy import event

from models.session import get_engine


@contextmanager
def executed_by_the_driver(note: Callable[[Any], object]) -> Iterator[None]:
    """Call `note` with each statement that psycopg is given in the block, as it is given.

    SQLAlchemy's come with named parameters, from the connection's cursors; those of a job's path
    with numbers, from `RawCursor`s.
    """

    class Named(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Self:
            note(query)
            return super().execute(query, *arguments, **options)

    class Numbered(psycopg.RawCursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Self:
            note(query)
            return super().execute(query, *arguments, **options)

    def observe(connection: psycopg.Connection[Any], *_: object) -> None:
        connection.cursor_factory = Named

    def stop(connection: psycopg.Connection[Any], *_: object) -> None:
        connection.cursor_factory = psycopg.Cursor

    engine = get_engine()
    event.listen(engine, "checkout", observe)
    event.listen(engine, "checkin", stop)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg, "RawCursor", Numbered)
            yield
    finally:
        event.remove(engine, "checkout", observe)
        event.remove(engine, "checkin", stop)
