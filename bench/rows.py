"""Many finished jobs and their messages, of a thousand users; 100,000 unless told otherwise."""

import random
from collections.abc import Iterator
from typing import Any, Final

import psycopg

JOBS: Final = 100_000
TURNS: Final = 5  # jobs in a conversation
MANY, FEW = "user_many", "user_few"

RNG: Final = random.Random(7)
SYLLABLES: Final = [
    c + v for c in "bcdfghklmnprstvw" for v in ("a", "e", "i", "o", "u", "an", "er")
]
WORDS: Final = ["".join(RNG.choices(SYLLABLES, k=RNG.randint(1, 4))) for _ in range(8000)]
WEIGHTS: Final = [1 / (rank + 1) for rank in range(len(WORDS))]
TEXTS: Final = [" ".join(RNG.choices(WORDS, WEIGHTS, k=70)) for _ in range(2000)]


def fill(url: str, count: int = JOBS) -> None:
    """Fill the tables; the rows of all users lie mixed, as they would have come.

    A quarter of them are one user's (MANY); another user has ten jobs (FEW).
    """
    users = [MANY, FEW, *(f"user_{n}" for n in range(1000))]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        _copy(cursor, "users (id, external_id)", ((user, user) for user in users))
        jobs = list(_jobs(users, count))
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


def _jobs(users: list[str], count: int) -> Iterator[tuple[int, str, int, str]]:
    """Each job's number, user, number among the user's, and conversation."""
    turns = dict.fromkeys(users, 0)
    begun: dict[str, str] = {}
    for n in range(count):
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
