"""Rows of the schema 0010: many ended jobs with their messages, and an old worker's traffic."""

import secrets
import threading
import time
from typing import Any, Final

import psycopg

from bench.rows import TEXTS

PAUSE_S: Final = 0.01
USERS: Final = 20
TURNS: Final = 10  # jobs in a conversation

LOOSE_INDEXES: Final = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid IN ('jobs'::regclass, 'messages'::regclass, 'conversations'::regclass)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
# A message has 300 characters, and so has the answer in its job's row.
ROWS: Final = (
    "INSERT INTO users (id, external_id) SELECT 'user_' || n, 'user ' || n"
    " FROM generate_series(0, {users} - 1) AS n",
    "INSERT INTO conversations (id, user_id, title)"
    " SELECT 'conv_' || n, 'user_' || n % {users}, left(said, 60)"
    " FROM generate_series(0, {jobs} / {turns} - 1) AS n JOIN texts ON number = n % {texts}",
    "INSERT INTO messages (id, conversation_id, role, content)"
    " SELECT 'msg_q' || lpad(n::text, 25, '0'), 'conv_' || n % ({jobs} / {turns}), 'user', said"
    " FROM generate_series(0, {jobs} - 1) AS n JOIN texts ON number = n % {texts}",
    "INSERT INTO jobs (id, user_id, conversation_id, message_id, mind, metadata, status, stage,"
    "     epoch, queue_lease_s, attempts, starts, expires_at, completed_at, stages, answer,"
    "     input_tokens, output_tokens, tokens_saved, cost_usd, paid_duplicates)"
    " SELECT 'job_' || lpad(n::text, 26, '0'), 'user_' || n % ({jobs} / {turns}) % {users},"
    "     'conv_' || n % ({jobs} / {turns}), 'msg_q' || lpad(n::text, 25, '0'), 'sage', '{{}}',"
    "     'completed', 'persist', 1, 30, 0, 4, now(), now(), '{{}}', said, 80, 90, 0, 0.001, 0"
    " FROM generate_series(0, {jobs} - 1) AS n JOIN texts ON number = n % {texts}",
    "INSERT INTO messages (id, conversation_id, role, mind, job_id, content)"
    " SELECT 'msg_a' || lpad(n::text, 25, '0'), 'conv_' || n % ({jobs} / {turns}), 'assistant',"
    "     'sage', 'job_' || lpad(n::text, 26, '0'), said"
    " FROM generate_series(0, {jobs} - 1) AS n JOIN texts ON number = n * 7 % {texts}",
)
# What a worker and a web process of that release store for one job, each a transaction.
TRAFFIC: Final = (
    "INSERT INTO conversations (id, user_id, title, on_busy)"
    " VALUES (%(conversation)s, %(user)s, 'Hello', 'enqueue')",
    "INSERT INTO messages (id, conversation_id, role, content)"
    " VALUES (%(question)s, %(conversation)s, 'user', %(said)s)",
    "INSERT INTO jobs (id, user_id, conversation_id, message_id, mind, metadata, options, slot,"
    "     queue_lease_s, status, stage, epoch, attempts, starts, deaths, stages, sequence,"
    "     restarts, input_tokens, output_tokens, tokens_saved, cost_usd, paid_duplicates,"
    "     queue_lease_until, expires_at)"
    " VALUES (%(job)s, %(user)s, %(conversation)s, %(question)s, 'sage', '{}', '{}', 'queued', 30,"
    "     'queued', 'intent', 1, 0, 0, 0, '{}', 1, 0, 0, 0, 0, 0, 0,"
    "     clock_timestamp() + interval '30 s', clock_timestamp() + interval '1 h')",
    "UPDATE jobs SET status = 'in_progress', slot = 'running', run_token = gen_random_uuid(),"
    "     lease_until = clock_timestamp() + interval '60 s', queue_lease_until = NULL,"
    "     starts = starts + 1, started_at = clock_timestamp(), sequence = sequence + 1"
    " WHERE id = %(job)s",
    "UPDATE jobs SET stage = 'generate', deaths = 0, partial = %(said)s WHERE id = %(job)s",
    "INSERT INTO messages (id, conversation_id, role, mind, job_id, content)"
    " VALUES (%(answer)s, %(conversation)s, 'assistant', 'sage', %(job)s, %(said)s)",
    "UPDATE jobs SET status = 'completed', slot = NULL, completed_at = clock_timestamp(),"
    "     stage = 'persist', run_token = NULL, lease_until = NULL, answer = %(said)s"
    " WHERE id = %(job)s",
    "SELECT id, status FROM jobs WHERE user_id = %(user)s ORDER BY id DESC LIMIT 20",
)


def fill(url: str, jobs: int) -> None:
    """Store this many jobs, a tenth of them conversations, and two messages for each."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET session_replication_role = replica")  # checks no foreign key
        loose = connection.execute(LOOSE_INDEXES).fetchall()
        for name, _ in loose:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute("CREATE TEMP TABLE texts (number int, said text)")
        connection.cursor().executemany(
            "INSERT INTO texts VALUES (%s, left(%s, 300))", list(enumerate(TEXTS))
        )
        connection.execute("ANALYZE texts")
        numbers = {"jobs": jobs, "users": USERS, "turns": TURNS, "texts": len(TEXTS)}
        for statement in ROWS:
            connection.execute(statement.format(**numbers).encode())
        for _, definition in loose:
            connection.execute(definition.encode())
        connection.execute("VACUUM (ANALYZE)")


class Traffic(threading.Thread):
    """A connection that inserts and updates rows every 10 ms, until `stop()`.

    Attributes:
        waits: when each statement began, by `time.monotonic()`, and how long it took, in seconds.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._stopping = threading.Event()
        self._failure: psycopg.Error | None = None
        self.waits: list[tuple[float, float]] = []

    def run(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                while not self._stopping.is_set():
                    self._store_job(connection)
        except psycopg.Error as error:
            self._failure = error

    def stop(self) -> None:
        """End it.

        Raises:
            psycopg.Error: a statement failed.
        """
        self._stopping.set()
        self.join()
        if self._failure is not None:
            raise self._failure

    def longest(self, begin: float, end: float) -> float:
        """The seconds that the longest statement took of those that ran between these times."""
        return max((s for at, s in self.waits if at < end and at + s > begin), default=0.0)

    def _store_job(self, connection: psycopg.Connection[Any]) -> None:
        number = secrets.randbelow(10**9)
        values = {name: f"{name}_{secrets.token_hex(12)}" for name in ("conversation", "question")}
        values |= {name: f"{name}_{secrets.token_hex(12)}" for name in ("answer", "job")}
        values |= {"user": f"user_{number % USERS}", "said": TEXTS[number % len(TEXTS)][:300]}
        for statement in TRAFFIC:
            began = time.monotonic()
            connection.execute(statement.encode(), values)
            self.waits.append((began, time.monotonic() - began))
            self._stopping.wait(PAUSE_S)
