"""How PostgreSQL executes what a function asks of it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from models.session import get_engine, unit_of_work

Work = Callable[[Session], Any]


def rows_read(work: Work) -> int:
    """The rows that `work`'s queries read from tables, discarded ones included."""
    return sum(_rows(node) for node in _nodes(_plans(work)))


def indexes_used(work: Work) -> dict[str, str]:
    """The indexes that `work`'s queries read, by name, each with its last condition."""
    return {
        node["Index Name"]: node.get("Index Cond", "")
        for node in _nodes(_plans(work))
        if "Index Name" in node and node["Actual Loops"]
    }


def tables_scanned(work: Work) -> set[str]:
    """The tables that `work`'s queries read from beginning to end."""
    scans = (node for node in _nodes(_plans(work)) if node["Node Type"] == "Seq Scan")
    return {node["Relation Name"] for node in scans if node["Actual Loops"]}


def _plans(work: Work) -> list[Any]:
    said: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    engine = get_engine()
    event.listen(engine, "before_cursor_execute", note)
    try:
        with unit_of_work() as session:
            work(session)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        return [
            _explained(connection, statement, parameters)
            for statement, parameters in said
            if statement.startswith(("SELECT", "DELETE", "UPDATE", "WITH"))
        ]


def _explained(connection: Any, statement: str, parameters: Any) -> Any:
    query = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
    found = connection.exec_driver_sql(query, parameters).scalar()
    return json.loads(found) if isinstance(found, str) else found


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, list):
        for each in part:
            yield from _nodes(each)
    elif isinstance(part, dict):
        if "Node Type" in part:
            yield part
        for name in ("Plan", "Plans"):
            yield from _nodes(part.get(name, []))


def _rows(node: dict[str, Any]) -> int:
    if "Relation Name" not in node:
        return 0  # it reads what the nodes below it have read
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    each = node.get("Actual Rows", 0) + sum(node.get(name, 0) for name in removed)
    return int(each * node.get("Actual Loops", 1))
