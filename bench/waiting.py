"""Many jobs at once against a provider that takes a second: calls in flight in one worker.

The baseline is the same worker with 32 threads, in the same run.
"""

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

import httpx
import psutil
import psycopg

from bench.percentile import p99
from config.settings import Settings
from tests.chaos.profiles import SHORT
from tests.chaos.stack import Stack
from tests.chaos.waiting import wait_for
from tests.chaos.workers import Worker

JOBS = 300
WARM = 20
CLIENTS = 8
BASELINE = 32
THREADS = Settings.model_fields["worker_threads"].default
ANSWER_S = 1.0
SAMPLE_S = 0.25
WITHIN_S = 300
MB = 1024 * 1024
ENDED = """
    SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM completed_at)::float8
    FROM jobs ORDER BY created_at DESC LIMIT %s
"""


@dataclass
class Worst:
    """The most that a worker's process took."""

    pss: int = 0
    threads: int = 0


@dataclass
class Figures:
    """What one round cost."""

    jobs_per_s: float
    in_flight: int
    latency_s: list[float]
    cpu_ms: float
    fresh_pss: int
    worst: Worst


def main() -> None:
    """Measure, print, clean up."""
    with Stack(replace(SHORT, leases={})) as stack:
        stack.set_faults(latency_s=[ANSWER_S, ANSWER_S])
        few, many = (_measure(stack, threads) for threads in (BASELINE, THREADS))
    _print(BASELINE, few)
    _print(THREADS, many)
    print(f"ratio of the jobs/s          {many.jobs_per_s / few.jobs_per_s:6.2f}")


def _measure(stack: Stack, threads: int) -> Figures:
    worker = stack.worker(WORKER_THREADS=str(threads)).start()
    try:
        wait_for(worker.ready, 60, "the worker to be ready")
        _submit(stack, WARM)  # connections, imports
        process = _process(worker)
        fresh, spent = process.memory_full_info().pss, _spent_s(process)
        with _watching(process) as worst:
            _submit(stack, JOBS)
        cpu_ms = (_spent_s(process) - spent) * 1000 / JOBS
    finally:
        worker.kill()
    with psycopg.connect(stack.database_url) as connection:
        times = connection.execute(ENDED, [JOBS]).fetchall()
    took = max(end for _, end in times) - min(begin for begin, _ in times)
    latency_s = [end - begin for begin, end in times]
    return Figures(JOBS / took, _most_at_once(stack), latency_s, cpu_ms, fresh, worst)


def _submit(stack: Stack, jobs: int) -> None:
    """Submit so many jobs, and wait for them all."""
    headers = {"Authorization": f"Bearer {stack.key}"}

    def submit(_: int) -> None:
        body = {"message": f"Please consider [#{secrets.token_hex(8)}] and answer."}
        client.post("/v1/jobs", json=body).raise_for_status()

    client = httpx.Client(base_url=stack.web, headers=headers, timeout=60)
    with client, ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(submit, range(jobs)))
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        unfinished = "SELECT count(*) FROM jobs WHERE slot IS NOT NULL"
        wait_for(
            lambda: connection.execute(unfinished).fetchone() == (0,), WITHIN_S, "all jobs to end"
        )


def _process(worker: Worker) -> psutil.Process:
    assert worker.identity is not None
    return psutil.Process(worker.identity.pid)


def _spent_s(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


@contextmanager
def _watching(process: psutil.Process) -> Iterator[Worst]:
    worst, over = Worst(), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_S):
            worst.pss = max(worst.pss, process.memory_full_info().pss)
            worst.threads = max(worst.threads, process.num_threads())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield worst
    finally:
        over.set()
        watcher.join()


def _most_at_once(stack: Stack) -> int:
    """How many of the last calls the provider served at once."""
    calls = stack.calls()[-JOBS:]
    changes = [(call["at"], 1) for call in calls] + [(call["ended"], -1) for call in calls]
    open_calls = most = 0
    for _, change in sorted(changes):
        open_calls += change
        most = max(most, open_calls)
    return most


def _print(threads: int, found: Figures) -> None:
    print(f"{JOBS} jobs at once, {threads} threads")
    print(f"  jobs/s                     {found.jobs_per_s:6.1f}")
    print(f"  most calls in flight       {found.in_flight:6}")
    print(f"  latency, median            {median(found.latency_s):6.1f} s")
    print(f"  latency, p99               {p99(found.latency_s):6.1f} s")
    print(f"  CPU of the worker          {found.cpu_ms:6.1f} ms a job")
    print(f"  memory when ready          {found.fresh_pss / MB:6.0f} MB (PSS)")
    print(f"  memory at most             {found.worst.pss / MB:6.0f} MB")
    print(f"  threads of the process     {found.worst.threads:6}")


if __name__ == "__main__":
    main()
