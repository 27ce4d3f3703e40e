"""How long each list and search takes with 100,000 jobs and 200,000 messages in the tables.

A quarter of them are one user's; another user has ten jobs, and must not pay for the others'. The
queries run in this process, so the figures are those of PostgreSQL and of its client.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg
from sqlalchemy.orm import Session

from bench.percentile import p99
from config.settings import get_settings
from deploy.embedded.backends import Backends
from models.broadcasts import gather, list_broadcasts
from models.conversations import (
    find_session,
    latest_messages,
    list_conversations,
    list_messages,
)
from models.errors import SearchTimedOut
from models.jobs import jobs_of_messages, list_jobs
from models.schema import upgrade
from models.searches import search_conversations
from models.session import unit_of_work

JOBS: Final = 100_000
FINISHED: Final = ("completed", "failed", "cancelled", "expired")
TURNS: Final = 5  # jobs in a conversation
REPEATS: Final = 100
LIMIT_MS: Final = 20.0
# A text without a trigram is looked for in all of its user's messages, which has no limit here.
SHORT = "search: two characters, nowhere"
MANY, FEW = "user_many", "user_few"

Query = Callable[[Session], Any]


def main() -> None:
    """Fill, measure, print, clean up."""
    home = Path(tempfile.mkdtemp(prefix="trimind-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        with Backends(home, {"EMBEDDED_MODEL_URL": "http://127.0.0.1:9"}) as backends:
            os.environ.update(backends.environment())
            upgrade()
            fill()
            slowest = measure()
    finally:
        shutil.rmtree(home)
    if slowest > LIMIT_MS:
        sys.exit(f"a median is over {LIMIT_MS:.0f} ms")


def measure() -> float:
    """Print the figures of every query; returns the slowest median of those with a limit."""
    print("| query | p50 ms | p99 ms |\n| --- | --- | --- |")
    limited = []
    for name, query in _queries():
        took = [_time_of(query) for _ in range(REPEATS)]
        print(f"| {name} | {median(took):.2f} | {p99(took):.2f} |", flush=True)
        if not name.endswith(SHORT):
            limited.append(median(took))
    return max(limited)


def _time_of(query: Query) -> float:
    began = time.perf_counter()
    # A search that is stopped after two seconds counts as two.
    with suppress(SearchTimedOut), unit_of_work() as session:
        query(session)
    return (time.perf_counter() - began) * 1000


def _queries() -> Iterator[tuple[str, Query]]:
    for user, name in ((MANY, "user with 25,000 jobs"), (FEW, "user with 10 jobs")):
        for what, query in (*_lists(user), *_searches(user)):
            yield f"{name}: {what}", query


def _lists(user: str) -> Iterator[tuple[str, Query]]:
    with unit_of_work() as session:
        newest = list_conversations(session, user, limit=1)[0]
        oldest = find_session(session, user, f"{user} 0")
    assert oldest is not None
    yield "jobs", lambda s: list_jobs(s, user, limit=20)
    for status in ("completed", "failed", "queued", "in_progress"):
        yield f"jobs, {status}", partial(list_jobs, user_id=user, limit=20, status=status)
        yield (
            f"jobs of an old conversation, {status}",
            partial(list_jobs, user_id=user, limit=20, status=status, conversation_id=oldest.id),
        )
    yield "conversations", lambda s: list_conversations(s, user, limit=20)
    yield "conversation of a session", lambda s: find_session(s, user, f"{user} 0")
    yield "conversation of an unknown session", lambda s: find_session(s, user, "absent")
    yield "messages and their jobs", lambda s: _messages(s, newest)
    yield "messages of a session", lambda s: latest_messages(s, newest, 1000)
    yield "broadcasts", lambda s: gather(s, list_broadcasts(s, user, limit=20))


def _messages(session: Session, conversation: Any) -> None:
    found = list_messages(session, conversation, limit=20)
    jobs_of_messages(session, [message.id for message in found])


def _searches(user: str) -> Iterator[tuple[str, Query]]:
    for what, q in (
        ("in most messages", WORDS[0]),
        ("in one message of a hundred", "periodic"),
        ("in the oldest conversation", "quokka"),
        ("nowhere", "zyzzyva"),
        ("in all messages of others", "platypus"),
        ("two characters, in most messages", WORDS[0][:2]),
    ):
        yield f"search: {what}", partial(search_conversations, user_id=user, q=q, limit=20)
    hundred = partial(search_conversations, user_id=user, q="periodic", limit=100)
    yield "search: a hundred results", hundred
    yield SHORT, partial(search_conversations, user_id=user, q="qx", limit=20)


RNG: Final = random.Random(7)
SYLLABLES: Final = [
    c + v for c in "bcdfghklmnprstvw" for v in ("a", "e", "i", "o", "u", "an", "er")
]
WORDS: Final = ["".join(RNG.choices(SYLLABLES, k=RNG.randint(1, 4))) for _ in range(8000)]
WEIGHTS: Final = [1 / (rank + 1) for rank in range(len(WORDS))]
TEXTS: Final = [" ".join(RNG.choices(WORDS, WEIGHTS, k=70)) for _ in range(2000)]


def fill() -> None:
    """Fill the tables; the rows of all users lie mixed, as they would have come."""
    url = get_settings().database_url.get_secret_value().replace("+psycopg", "")
    users = [MANY, FEW, *(f"user_{n}" for n in range(1000))]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        _copy(cursor, "users (id, external_id)", ((user, user) for user in users))
        jobs = list(_jobs(users))
        _copy(
            cursor,
            "conversations (id, user_id, external_id, title)",
            (
                (conversation, user, f"{user} {turn // TURNS}", TEXTS[n % len(TEXTS)][:60])
                for n, user, turn, conversation in jobs
                if turn % TURNS == 0
            ),
        )
        _copy(cursor, "messages (id, conversation_id, user_id, role, content)", _questions(jobs))
        _copy(
            cursor,
            "jobs (id, user_id, conversation_id, message_id, mind, metadata, status, stage, slot,"
            " epoch, queue_lease_s, attempts, starts, expires_at, completed_at, stages, answer,"
            " input_tokens, output_tokens, tokens_saved, cost_usd, paid_duplicates)",
            (
                (f"job_{n:026}", user, conversation, f"msg_q{n:025}", "sage", "{}", "completed",
                 "persist", None, 1, 30, 0, 4, "now", "now", "{}", TEXTS[n % len(TEXTS)], 0, 0, 0,
                 0, 0)
                for n, user, _, conversation in jobs
            ),
        )  # fmt: skip
        _copy(
            cursor,
            "messages (id, conversation_id, user_id, role, mind, job_id, content)",
            (
                (f"msg_a{n:025}", conversation, user, "assistant", "sage", f"job_{n:026}",
                 _said(n, user))
                for n, user, _, conversation in jobs
            ),
        )  # fmt: skip
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")


def _jobs(users: list[str]) -> Iterator[tuple[int, str, int, str]]:
    """Each job's number, user, number among the user's, and conversation."""
    turns = dict.fromkeys(users, 0)
    begun: dict[str, str] = {}
    for n in range(JOBS):
        user = MANY if n % 4 == 0 else FEW if n % 10_000 == 1 else users[2 + n % 1000]
        if turns[user] % TURNS == 0:
            begun[user] = f"conv_{n:026}"
        yield n, user, turns[user], begun[user]
        turns[user] += 1


def _questions(jobs: list[tuple[int, str, int, str]]) -> Iterator[tuple[str, ...]]:
    for n, user, turn, conversation in jobs:
        rare = "quokka" if turn == 0 and user in (MANY, FEW) else ""
        asked = f"{TEXTS[n % len(TEXTS)][:60]} {rare}"
        yield f"msg_q{n:025}", conversation, user, "user", asked


def _said(n: int, user: str) -> str:
    marks = " periodic" * (n % 100 < 2) + " platypus" * (user not in (MANY, FEW))
    return f"{TEXTS[(n * 7) % len(TEXTS)]}{marks}"


def _copy(cursor: psycopg.Cursor[Any], table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


if __name__ == "__main__":
    main()
