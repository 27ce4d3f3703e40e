"""Transactions that are retried while the database is unavailable."""

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from config.outages import outages
from config.shutdown import shutting_down
from models.errors import CircuitOpen, DatabaseUnavailable
from models.session import statements, unit_of_work
from models.statement import Runner
from tasks.policies import DATABASE_PAUSE_S, PERSIST
from tasks.resilience.breaker import circuit_breaker

FIRST_PAUSE_S: Final = 0.2

C = TypeVar("C")
T = TypeVar("T")


def run_transaction_with_retry(work: Callable[[Session], T], until: float) -> T:
    """Run `work` in a transaction, and retry while PostgreSQL is unavailable.

    Args:
        work: must be idempotent: a commit may have succeeded although its reply was lost.
        until: when to stop retrying, on `time.monotonic()`. A shutdown also stops it.

    Raises:
        DatabaseUnavailable: if it still fails at the end.
        CircuitOpen: if the breaker is still open at the end.
    """
    return _retry(unit_of_work, work, until)


def run_statements_with_retry(work: Callable[[Runner], T], until: float) -> T:
    """The same for statements of which each is a transaction of its own. They cost half as much."""
    return _retry(statements, work, until)


def _retry(
    connected: Callable[[], AbstractContextManager[C]], work: Callable[[C], T], until: float
) -> T:
    longest = FIRST_PAUSE_S
    while True:
        try:
            with circuit_breaker("database", PERSIST.breaker), connected() as connection:
                return work(connection)
        except (DatabaseUnavailable, CircuitOpen) as error:
            if shutting_down.is_set() or time.monotonic() >= until:
                raise
            if isinstance(error, DatabaseUnavailable):  # a CircuitOpen is only its consequence
                outages.note("database", error)
        shutting_down.wait(random.uniform(0, longest))  # noqa: S311 (jitter)
        longest = min(2 * longest, DATABASE_PAUSE_S)
