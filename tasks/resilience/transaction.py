"""Transactions that are retried while the database is unavailable."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from config.outages import outages
from config.shutdown import shutting_down
from models.errors import CircuitOpen, DatabaseUnavailable
from models.session import unit_of_work
from tasks.policies import DATABASE_PAUSE_S, PERSIST
from tasks.resilience.breaker import circuit_breaker

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

    def over(_: RetryCallState) -> bool:
        return shutting_down.is_set() or time.monotonic() >= until

    retrying = Retrying(
        retry=retry_if_exception_type((DatabaseUnavailable, CircuitOpen)),
        wait=wait_random_exponential(multiplier=0.2, max=DATABASE_PAUSE_S),
        stop=over,
        sleep=_pause,
        before_sleep=_note,
        reraise=True,
    )
    done: T = retrying(_once, work)
    return done


def _once(work: Callable[[Session], T]) -> T:
    with circuit_breaker("database", PERSIST.breaker), unit_of_work() as session:
        return work(session)


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, DatabaseUnavailable):  # a CircuitOpen is only a consequence of these
        outages.note("database", error)


def _pause(seconds: float) -> None:
    shutting_down.wait(seconds)
