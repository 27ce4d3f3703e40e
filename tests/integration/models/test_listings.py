"""The cost of a list, in rows read, depends on its page and the user's own data only."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from models.conversations import list_conversations
from models.idempotency import sweep
from models.jobs import STATUSES, list_jobs
from models.session import get_engine, unit_of_work

JOBS = 20_000

FILL = """
INSERT INTO users (id, external_id) VALUES ('user_many', 'user_many'), ('user_few', 'user_few');
INSERT INTO conversations (id, user_id)
  SELECT 'conv_many_' || n, 'user_many' FROM generate_series(1, 200) AS n;
INSERT INTO conversations (id, user_id) VALUES ('conv_few', 'user_few');
INSERT INTO messages (id, conversation_id, role, content)
  SELECT 'msg_many_' || n, 'conv_many_' || 1 + n % 200, 'user', 'some words ' || n
  FROM generate_series(1, 20000) AS n;
INSERT INTO messages (id, conversation_id, role, content)
  VALUES ('msg_few', 'conv_few', 'user', 'some words');
INSERT INTO idempotency_keys (user_id, key, fingerprint, answer)
  SELECT 'user_many', 'key ' || n, sha256('a'), '{}' FROM generate_series(1, 20000) AS n;
INSERT INTO jobs (id, user_id, mind, metadata, status, stage, slot, epoch, queue_lease_s, attempts,
    starts, crash_count, expires_at, completed_at, stages, input_tokens, output_tokens,
    tokens_saved, cost_usd, paid_duplicates)
  SELECT 'job_many_' || n, 'user_many', 'm', '{}', 'completed', 'persist', NULL, 1, 30, 0,
    1, 0, now(), now(), '{}', 0, 0, 0, 0, 0 FROM generate_series(1, 20000) AS n;
ANALYZE idempotency_keys; ANALYZE jobs; ANALYZE messages; ANALYZE conversations;
"""


@pytest.fixture(scope="module")
def filled(backends: Mapping[str, str], quietly: Any) -> Iterator[None]:
    """One user with much data and one with little, in a separate database."""
    with quietly(backends):
        with unit_of_work() as session:
            for statement in FILL.split(";\n"):
                if statement.strip():
                    session.execute(text(statement.replace(":", r"\:")))
        yield


def rows_read(work: Any) -> int:
    """The rows that `work`'s SELECTs and DELETEs read, discarded ones included."""
    said: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    engine: Engine = get_engine()
    event.listen(engine, "before_cursor_execute", note)
    try:
        with unit_of_work() as session:
            work(session)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            for statement, parameters in said
            if statement.startswith(("SELECT", "DELETE"))
        ]
        found = [plan.scalar() for plan in plans]
    return sum(_rows(json.loads(plan) if isinstance(plan, str) else plan) for plan in found)


def _rows(node: Any) -> int:
    if isinstance(node, list):
        return sum(map(_rows, node))
    if not isinstance(node, dict):
        return 0
    each = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
    below = sum(_rows(node.get(name, [])) for name in ("Plan", "Plans"))
    return int(each * node.get("Actual Loops", 1)) + below


@pytest.mark.parametrize("status", STATUSES)
def test_a_list_by_status_reads_what_it_shows(filled: None, status: str) -> None:
    def work(session: Session) -> None:
        assert (len(list_jobs(session, "user_many", limit=20, status=status)) == 21) == (
            status == "completed"
        )

    assert rows_read(work) < 200


def test_a_search_reads_the_user_s_own_messages_alone(filled: None) -> None:
    def work(session: Session) -> None:
        assert not list_conversations(session, "user_few", limit=20, q="absent")
        assert len(list_conversations(session, "user_few", limit=20, q="WORDS")) == 1

    assert rows_read(work) < 20


def test_a_search_stops_at_the_conversations_it_shows(filled: None) -> None:
    def work(session: Session) -> None:
        assert len(list_conversations(session, "user_many", limit=5, q="words")) == 6

    assert rows_read(work) < 100


def test_expired_keys_are_found_without_reading_the_others(filled: None) -> None:
    assert rows_read(lambda session: sweep(session, 5)) < 20
