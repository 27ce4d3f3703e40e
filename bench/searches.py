"""How long each list and search takes with 100,000 jobs and 200,000 messages in the tables.

A quarter of them are one user's; another user has ten jobs, and must not pay for the others'. The
queries run in this process, so the figures are those of PostgreSQL and of its client.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from statistics import median
from typing import Any, Final

from sqlalchemy.orm import Session

from bench.database import database, url
from bench.figures import p99
from bench.rows import FEW, MANY, WORDS, fill
from models.broadcasts import gather, list_broadcasts
from models.conversations import (
    find_session,
    latest_messages,
    list_conversations,
    list_messages,
)
from models.errors import SearchTimedOut
from models.job_lists import list_jobs
from models.jobs import jobs_of_messages
from models.searches import search_conversations
from models.session import unit_of_work

REPEATS: Final = 100
LIMIT_MS: Final = 20.0
# A text without a trigram is looked for in all of its user's messages, which has no limit here.
SIGNS = "search: two signs, nowhere"

Query = Callable[[Session], Any]


def main() -> None:
    """Fill, measure, print, clean up."""
    with database():
        fill(url())
        slowest = measure()
    if slowest > LIMIT_MS:
        sys.exit(f"a median is over {LIMIT_MS:.0f} ms")


def measure() -> float:
    """Print the figures of every query; returns the slowest median of those with a limit."""
    print("| query | p50 ms | p99 ms |\n| --- | --- | --- |")
    limited = []
    for name, query in _queries():
        took = [_time_of(query) for _ in range(REPEATS)]
        print(f"| {name} | {median(took):.2f} | {p99(took):.2f} |", flush=True)
        if not name.endswith(SIGNS):
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
        ("two characters, nowhere", "qx"),
        ("two characters, in all messages of others", "pl"),
        ("one character, nowhere", "z"),
    ):
        yield f"search: {what}", partial(search_conversations, user_id=user, q=q, limit=20)
    hundred = partial(search_conversations, user_id=user, q="periodic", limit=100)
    yield "search: a hundred results", hundred
    yield SIGNS, partial(search_conversations, user_id=user, q="§§", limit=20)


if __name__ == "__main__":
    main()
