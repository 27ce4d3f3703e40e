"""Many jobs at once against a provider that takes a second: calls in flight in one worker.

The baseline is the same worker with 32 threads, in the same run.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import psutil
import psycopg

from bench.figures import figure, group, p99, ratio
from bench.processes import spent_s
from bench.stack import client, new_job, stack
from config.settings import Settings
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
    with stack() as trimind:
        trimind.set_faults(latency_s=[ANSWER_S, ANSWER_S])
        few, many = (_measure(trimind, threads) for threads in (BASELINE, THREADS))
    _print(BASELINE, few)
    _print(THREADS, many)
    ratio("of the jobs/s", many.jobs_per_s, few.jobs_per_s)


def _measure(trimind: Stack, threads: int) -> Figures:
    worker = trimind.worker(WORKER_THREADS=str(threads)).start()
    try:
        wait_for(worker.ready, 60, "the worker to be ready")
        _submit(trimind, WARM)  # connections, imports
        process = _process(worker)
        fresh, spent = process.memory_full_info().pss, spent_s([process.pid])
        with _watching(process) as worst:
            _submit(trimind, JOBS)
        cpu_ms = (spent_s([process.pid]) - spent) * 1000 / JOBS
    finally:
        worker.kill()
    with psycopg.connect(trimind.database_url) as connection:
        times = connection.execute(ENDED, [JOBS]).fetchall()
    took = max(end for _, end in times) - min(begin for begin, _ in times)
    latency_s = [end - begin for begin, end in times]
    return Figures(JOBS / took, _most_at_once(trimind), latency_s, cpu_ms, fresh, worst)


def _submit(trimind: Stack, jobs: int) -> None:
    """Submit so many jobs, and wait for them all."""

    def submit(_: int) -> None:
        web.post("/v1/jobs", json=new_job()).raise_for_status()

    with client(trimind) as web, ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(submit, range(jobs)))
    with psycopg.connect(trimind.database_url, autocommit=True) as connection:
        unfinished = "SELECT count(*) FROM jobs WHERE slot IS NOT NULL"
        wait_for(
            lambda: connection.execute(unfinished).fetchone() == (0,), WITHIN_S, "all jobs to end"
        )


def _process(worker: Worker) -> psutil.Process:
    assert worker.identity is not None
    return psutil.Process(worker.identity.pid)


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


def _most_at_once(trimind: Stack) -> int:
    """How many of the last calls the provider served at once."""
    calls = trimind.calls()[-JOBS:]
    changes = [(call["at"], 1) for call in calls] + [(call["ended"], -1) for call in calls]
    open_calls = most = 0
    for _, change in sorted(changes):
        open_calls += change
        most = max(most, open_calls)
    return most


def _print(threads: int, found: Figures) -> None:
    group(f"{JOBS} jobs at once, {threads} threads")
    figure("jobs/s", found.jobs_per_s)
    figure("most calls in flight", found.in_flight, digits=0)
    figure("latency, median", median(found.latency_s), "s")
    figure("latency, p99", p99(found.latency_s), "s")
    figure("CPU of the worker", found.cpu_ms, "ms a job")
    figure("memory when ready", found.fresh_pss / MB, "MB (PSS)", digits=0)
    figure("memory at most", found.worst.pss / MB, "MB", digits=0)
    figure("threads of the process", found.worst.threads, digits=0)


if __name__ == "__main__":
    main()
