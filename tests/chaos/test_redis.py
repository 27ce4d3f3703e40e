"""Faults 2 and 3: Redis loses its data under load, and Redis is down at submission."""

import threading
import time
from collections.abc import Callable
from random import Random

import httpx
import psycopg
import pytest

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .recovery import Recovery
from .report import Report, percentile
from .stack import Stack
from .workers import Fleet

WITHIN_S = 15.0
PROMPT_S = 5.0


def flush(stack: Stack) -> None:
    stack.redis().flushall()


@pytest.mark.parametrize(
    ("fault", "what"),
    [(flush, "Redis flushed"), (Stack.empty_redis, "Redis killed, restarted empty")],
    ids=["flushed", "restarted-empty"],
)
def test_an_emptied_redis_loses_and_doubles_nothing(
    fault: Callable[[Stack], None],
    what: str,
    stack: Stack,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(seed=profile.seed, latency_s=[0.2, 0.6])
    recovery = Recovery(fleet)
    with load.running(profile.in_flight, jobs=profile.jobs // 2):
        for _ in range(profile.flushes):
            threading.Event().wait(rng.uniform(1.5, 3.0))
            hit, at = queued(stack), time.time()
            fault(stack)
            recovery.hit(at, hit)
    ledger.settle(profile.patience_s)
    counts = ledger.close()
    seconds = recovery.seconds()
    report.add(
        what,
        counts,
        times=profile.flushes,
        messages_hit=len(seconds),
        recovery_p50_s=percentile(seconds, 0.5),
        recovery_p99_s=percentile(seconds, 0.99),
    )
    assert seconds, "no message was in Redis when it was emptied: the test is too weak"
    assert percentile(seconds, 0.99) < WITHIN_S


def test_jobs_submitted_without_redis_are_accepted_and_done_after_it_returns(
    stack: Stack, fleet: Fleet, load: Load, ledger: Ledger, rng: Random, report: Report
) -> None:
    stack.kill_redis()
    with httpx.Client(timeout=20) as client:
        promises = [load.submit(client) for _ in range(rng.randint(8, 12))]
    slowest = max(promise.answered_at - promise.sent_at for promise in promises)
    assert [promise.status for promise in promises] == [202] * len(promises)
    assert slowest < PROMPT_S
    at = time.time()
    stack.backends.restart("redis")
    ledger.settle(60)
    report.add("Redis absent at submit", ledger.close(), slowest_202_s=round(slowest, 2))
    assert max(entry.row["ended"] for entry in ledger.entries().values()) > at


def queued(stack: Stack) -> list[str]:
    """The jobs whose message should be in Redis now."""
    with psycopg.connect(stack.database_url) as connection:
        rows = connection.execute("SELECT id FROM jobs WHERE slot = 'queued'").fetchall()
        return [str(row[0]) for row in rows]
