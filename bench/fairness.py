"""What a user's job takes while another user has 2,000 queued, against an idle system.

The 2,000 are interactive, then bulk. Then 1,000 of 2,000 are cancelled by one call.
The user's jobs follow each other, or come a second apart.
"""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import httpx
import psycopg

from bench.figures import figure, group, ratio
from bench.stack import new_job, running_workers, stack
from config.queues import QUEUES
from tests.chaos.stack import Stack
from tests.chaos.waiting import wait_for

QUEUED = 2000
MEASURED = 30
APART = 7
APART_S = 1.0
# The worker has just been started.
WARM_S = 1.0
CLIENTS = 8
THREADS = 256
WAIT_S = 25
ANSWERS_S = (0.0, 0.3)
CANCELLED_WITHIN_S = 5.0
DISCARDED_WITHIN_S = 60.0
UNFINISHED = "SELECT count(*) FROM jobs WHERE slot IS NOT NULL"


def main() -> None:
    """Measure, print, clean up."""
    with stack(threads=THREADS) as trimind:
        for answer_s in ANSWERS_S:
            trimind.set_faults(latency_s=[answer_s, answer_s])
            _measure(trimind, answer_s)
        _measure_cancel(trimind)


def _measure(trimind: Stack, answer_s: float) -> None:
    group(f"a provider that takes {answer_s:g} s: a job of another user")
    with _user(trimind) as other:
        with running_workers(trimind):
            idle = _medians(other)
        _show("on an idle system", idle)
        for priority in ("interactive", "bulk"):
            with _user(trimind) as busy:
                # Without a worker, so that all of them are queued when the others begin.
                _submit(busy, priority)
                with running_workers(trimind):
                    beside = _medians(other)
                    left = _unfinished(trimind)
                    _cancel_all(busy)
                    # The messages of cancelled jobs are work for the next measurement's worker.
                    wait_for(lambda: not _messages(trimind), DISCARDED_WITHIN_S, "empty queues")
            _show(f"beside {priority} jobs", beside)
            figure("of them left at the end", left, digits=0)
            ratio("one after another, to the idle system", beside[0], idle[0])
            ratio("a second apart, to the idle system", beside[1], idle[1])


def _measure_cancel(trimind: Stack) -> None:
    group("a call that cancels 1,000 of 2,000 jobs")
    with _user(trimind) as busy:
        _submit(busy, "interactive")
        cancelled, took = _cancel(busy, "queued")
    figure("time", took * 1000, "ms")
    assert (cancelled["cancelled"], cancelled["has_more"]) == (1000, True), cancelled
    assert took < CANCELLED_WITHIN_S, "it took too long"


def _user(trimind: Stack) -> httpx.Client:
    """A client for a new user."""
    headers = {
        "Authorization": f"Bearer {trimind.environ['SHARED_SECRET']}",
        "X-Trimind-User": f"user-{secrets.token_hex(4)}",
    }
    return httpx.Client(base_url=trimind.web, headers=headers, timeout=60)


def _medians(web: httpx.Client) -> tuple[float, float]:
    """Of jobs one after another, and of jobs a second apart, in seconds."""
    warm_at = time.monotonic() + WARM_S
    while time.monotonic() < warm_at:
        _latency(web)
    return median(_latencies(web, MEASURED)), median(_latencies(web, APART, APART_S))


def _show(where: str, medians: tuple[float, float]) -> None:
    figure(f"{where}, one after another, median", medians[0] * 1000, "ms")
    figure(f"{where}, a second apart, median", medians[1] * 1000, "ms")


def _latencies(web: httpx.Client, jobs: int, apart_s: float = 0.0) -> list[float]:
    latencies = []
    for _ in range(jobs):
        time.sleep(apart_s)
        latencies.append(_latency(web))
    return latencies


def _latency(web: httpx.Client) -> float:
    began = time.perf_counter()
    headers = {"Prefer": f"wait={WAIT_S}"}
    job = web.post("/v1/jobs", json=new_job(), headers=headers).raise_for_status().json()
    assert job["status"] == "completed", job
    return time.perf_counter() - began


def _submit(web: httpx.Client, priority: str) -> None:
    def submit(_: int) -> None:
        web.post("/v1/jobs", json=new_job() | {"priority": priority}).raise_for_status()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(submit, range(QUEUED)))


def _cancel_all(web: httpx.Client) -> None:
    for status in ("queued", "in_progress"):
        while _cancel(web, status)[0]["has_more"]:
            pass


def _cancel(web: httpx.Client, status: str) -> tuple[dict[str, Any], float]:
    """What a call has cancelled, and how long it took."""
    began = time.perf_counter()
    answer = web.post("/v1/jobs/cancel", json={"status": status}).raise_for_status().json()
    return answer, time.perf_counter() - began


def _messages(trimind: Stack) -> int:
    """How many messages wait in the lanes of both queues."""
    with trimind.redis() as redis:
        return sum(
            redis.llen(key) for name in QUEUES for key in redis.scan_iter(f"{name}*", _type="list")
        )


def _unfinished(trimind: Stack) -> int:
    with psycopg.connect(trimind.database_url) as connection:
        row = connection.execute(UNFINISHED).fetchone()
    return row[0] if row else 0


if __name__ == "__main__":
    main()
