"""The independent ledger: what was promised, what was served, and what the database has.

It reads the database with its own SQL, and the provider's record over HTTP, and uses none of the
code under test.
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from .load import Load
from .stack import Stack
from .waiting import TooLate

STAGES = ("intent", "compress", "generate", "persist")
MARK = "substring(m.content FROM '\\[#([0-9a-f]{16})\\]')"
# All use one clock, so this only covers the time between two readings.
SLACK_S = 1.0


@dataclass(frozen=True)
class Entry:
    """One job in the database, with its answers and its provider calls."""

    row: dict[str, Any]
    answers: list[str]
    calls: list[dict[str, Any]]

    @property
    def status(self) -> str:
        return str(self.row["status"])

    @property
    def paid(self) -> int:
        """The number of complete answers from the provider."""
        return sum(bool(call["whole"]) for call in self.calls)


class Ledger:
    """The accounts of one load run."""

    def __init__(self, stack: Stack, load: Load) -> None:
        self._stack = stack
        self._load = load
        self._before = self.counters()

    def settle(self, within_s: float) -> None:
        """Wait until every promised job has ended. Raises TooLate, which names the others."""
        end = time.monotonic() + within_s
        while stuck := self._unfinished():
            if time.monotonic() > end:
                raise TooLate(f"{len(stuck)} jobs did not end in {within_s:.0f} s: {stuck[:5]}")
            time.sleep(0.2)

    def entries(self) -> dict[str, Entry]:
        """Every job of this load, by mark."""
        calls: dict[str, list[dict[str, Any]]] = {}
        for call in self._stack.calls():
            calls.setdefault(str(call["mark"]), []).append(call)
        rows = self._rows(
            f"SELECT j.*, {MARK} AS mark,"
            " extract(epoch FROM j.completed_at)::float8 AS ended,"
            " (SELECT array_agg(a.content) FROM messages a WHERE a.job_id = j.id) AS answers"
            " FROM jobs j JOIN messages m ON m.id = j.message_id"
        )
        ours = set(self._load.marks)
        books: dict[str, Entry] = {}
        for row in rows:
            mark = row["mark"]
            if mark not in ours:
                continue
            assert mark not in books, f"two jobs for one submission {mark}"
            books[mark] = Entry(row, row["answers"] or [], calls.get(mark, []))
        return books

    def rows(self) -> dict[str, object]:
        """The current state of every job of this load, by mark."""
        return {mark: (entry.row, entry.answers) for mark, entry in self.entries().items()}

    def close(
        self,
        *,
        may_fail: frozenset[str] = frozenset(),
        delayed: frozenset[str] = frozenset(),
    ) -> dict[str, int]:
        """Check every promise and return the counts.

        Args:
            may_fail: codes of expected failures.
            delayed: jobs whose calls the network may have delivered after their end.
        """
        books = self.entries()
        lost = [p for p in self._load.accepted if p.mark not in books]
        assert not lost, f"{len(lost)} jobs that were accepted do not exist: {lost[:3]}"
        wrong = [
            why for mark, entry in books.items() for why in faults(mark, entry, may_fail, delayed)
        ]
        assert not wrong, f"{len(wrong)} wrong: {wrong[:5]}"
        ids = {p.mark: p.job_id for p in self._load.accepted}
        assert all(books[mark].row["id"] == job_id for mark, job_id in ids.items())
        return self.counts(books)

    def counts(self, books: dict[str, Entry]) -> dict[str, int]:
        """The figures for the report."""
        ends = Counter(entry.status for entry in books.values())
        accepted = {promise.mark for promise in self._load.accepted}
        return {
            "accepted": len(accepted),
            "completed": ends["completed"],
            "failed": ends["failed"],
            "lost": sum(mark not in books or not books[mark].row["ended"] for mark in accepted),
            "doubled": sum(len(entry.answers) > 1 for entry in books.values()),
            "paid_twice": sum(entry.paid > 1 for entry in books.values()),
            "given_up": sum(entry.row["epoch"] > 1 for entry in books.values()),
        }

    def counters(self) -> dict[str, int]:
        """The fleet's `reconciled` counters in the database."""
        rows = self._rows("SELECT label, value FROM counters WHERE name = 'reconciled'")
        return {row["label"]: row["value"] for row in rows}

    def reconciled(self) -> dict[str, int]:
        """The reconcilers' actions since this ledger was opened."""
        now = Counter(self.counters())
        now.subtract(self._before)
        return {label: value for label, value in now.items() if value}

    def _unfinished(self) -> list[dict[str, Any]]:
        """A job whose 202 was lost counts as well."""
        return self._rows(
            "SELECT j.id, status, stage, slot, epoch, starts, attempts, lease_until,"
            " queue_lease_until, next_attempt_at, now()"
            " FROM jobs j JOIN messages m ON m.id = j.message_id"
            f" WHERE slot IS NOT NULL AND {MARK} = ANY(%s)",
            [list(self._load.marks)],
        )

    def _rows(self, query: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        with psycopg.connect(self._stack.database_url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()


def faults(mark: str, entry: Entry, may_fail: frozenset[str], delayed: frozenset[str]) -> list[str]:
    """What is wrong with one job, if anything."""
    row, done = entry.row, entry.status == "completed"
    if row["slot"] is not None or row["ended"] is None:
        return [f"{row['id']} has not ended"]
    late = sum(call["at"] > row["ended"] + SLACK_S for call in entry.calls)
    found = {
        f"{len(entry.answers)} answers": len(entry.answers) != done,
        "another job's answer": not all(f"[#{mark}]" in answer for answer in entry.answers),
        "an answer that the provider never gave": done and not entry.paid,
        f"ended {entry.status} by {row['error']}": not done and code(row) not in may_fail,
        f"{late} calls after its end": late > (row["id"] in delayed),
        f"epoch {row['epoch']} after {row['starts']} starts": row["epoch"] > 1 + row["starts"],
        f"only {row['starts']} starts": done and row["starts"] < len(STAGES),
    }
    return [f"{row['id']}: {what}" for what, wrong in found.items() if wrong]


def code(row: dict[str, Any]) -> str | None:
    """The code of a job's error."""
    return str(row["error"]["code"]) if row["error"] else None
