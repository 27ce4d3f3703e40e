"""Fault 10: concurrent requests with one key, and rolling restarts under load."""

import secrets
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx
import psycopg

from .ledger import Ledger
from .load import Load, Promise
from .profiles import Profile
from .report import Report
from .stack import Stack
from .waiting import wait_for
from .workers import Fleet

COPIES = 8
KEYS = 5
GONE_WITHIN_S = 25.0


def test_one_key_sent_many_times_at_once_is_one_job(
    stack: Stack, fleet: Fleet, load: Load, ledger: Ledger, rng: Random, report: Report
) -> None:
    stack.set_faults(latency_s=[0.1, 0.3])
    marks = [secrets.token_hex(8) for _ in range(KEYS)]
    sends = rng.sample(marks * COPIES, KEYS * COPIES)
    with httpx.Client(timeout=20) as client, ThreadPoolExecutor(COPIES) as pool:

        def send(mark: str) -> Promise:
            return load.submit(client, mark, **{"Idempotency-Key": f"chaos-{mark}"})

        promises = list(pool.map(send, sends))
    ledger.settle(60)
    report.add("one key, many times at once", ledger.close(), submissions=len(promises))
    assert {promise.status for promise in promises} == {202}
    assert len({promise.job_id for promise in promises}) == KEYS
    assert copies(stack, marks) == KEYS


def test_rolling_restarts_lose_and_double_nothing(
    stack: Stack,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    # Some calls take longer than a worker has until it must hand back.
    stack.set_faults(seed=profile.seed, latency_s=[0.2, profile.lease_s * 1.2])
    seconds = []
    with load.running(profile.in_flight, jobs=profile.jobs // 20):
        for number in range(profile.rolls):
            worker = fleet.workers[number % len(fleet.workers)]
            wait_for(worker.ready, 60, f"{worker.name} to be ready")
            began, identity = time.monotonic(), worker.identity
            assert identity is not None
            worker.signal(signal.SIGTERM)
            wait_for(lambda one=identity: not one.alive(), GONE_WITHIN_S, f"{worker.name} to end")
            seconds.append(time.monotonic() - began)
    ledger.settle(profile.patience_s)
    counts = ledger.close()
    report.add(
        "rolling restarts", counts, restarts=profile.rolls, slowest_end_s=round(max(seconds), 1)
    )


def copies(stack: Stack, marks: list[str]) -> int:
    """The number of jobs of these submissions."""
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM jobs j JOIN messages m ON m.id = j.message_id"
            " WHERE substring(m.content FROM '\\[#([0-9a-f]{16})\\]') = ANY(%s)",
            [marks],
        ).fetchone()
        return int(row[0]) if row else 0
