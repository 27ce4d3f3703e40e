"""Statements of a job's path: compiled once, and run by the driver itself.

SQLAlchemy takes four times as long to run a statement as psycopg does: it looks up the compiled
text, puts the parameters together and makes a result, at every execution. psycopg in turn looks for
the names of the parameters in each execution of a statement that is longer than 4,096 bytes; so
they are numbered here, as PostgreSQL has them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import psycopg
from sqlalchemy import BindParameter, Connection, CursorResult, Executable
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

Driver = psycopg.Connection[Any]
Row = Sequence[Any]
Runner = Session | Connection | Driver

_DIALECT: Final = make_url("postgresql+psycopg://").get_dialect()()
_PARAMETER: Final = re.compile(r"%(?:\((\w+)\)s|%)")


class Statement:
    """A statement whose parameters have names. Build it once: compiling takes longer than running.

    It runs on a session, on SQLAlchemy's connection, or on the driver's (`session.statements`).
    """

    def __init__(self, built: Executable) -> None:
        self._built = built
        compiled = cast(ClauseElement, built).compile(
            dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
        )
        self._sql, self._order = _numbered(str(compiled))
        names = cast(SQLCompiler, compiled).bind_names
        processors = {name: _processor(bind) for bind, name in names.items()}
        self._processors = {name: each for name, each in processors.items() if each is not None}
        self._fixed = self._processed(compiled.params)

    def rows(self, connection: Runner, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run it; returns its rows."""
        if isinstance(connection, psycopg.Connection):
            return self._run(connection, values).fetchall()
        return connection.execute(self._built, values).all()

    def changed(self, connection: Runner, values: Mapping[str, Any]) -> int:
        """Run it; returns how many rows it changed."""
        if isinstance(connection, psycopg.Connection):
            return self._run(connection, values).rowcount
        return cast(CursorResult[Any], connection.execute(self._built, values)).rowcount

    def _run(self, driver: Driver, values: Mapping[str, Any]) -> psycopg.RawCursor[Any]:
        given = self._fixed | self._processed(values)
        ordered = [given[name] for name in self._order]
        return psycopg.RawCursor(driver).execute(self._sql, ordered)

    def _processed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(values)
        for name, process in self._processors.items():
            if name in made:
                made[name] = process(made[name])
        return made


def _numbered(sql: str) -> tuple[bytes, list[str]]:
    """A statement with numbers instead of the names of its parameters, and the names in order."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        return f"${numbers.setdefault(name, len(numbers) + 1)}" if name else "%"

    return _PARAMETER.sub(number, sql).encode(), [*numbers]


def _processor(bind: BindParameter[Any]) -> Any:
    """What makes of a parameter's value what the driver expects; None: it expects the value."""
    return bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
