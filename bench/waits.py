"""Delay until a waiting client learns that its job has ended, by the database's time of the end.

The baseline are clients that poll every 500 ms, as those of the replaced system did, in one run.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from statistics import median
from typing import Any

import httpx

from bench.figures import fail_above, figure, group, ratio
from bench.stack import client, new_job, running_workers, stack
from tests.chaos.stack import Stack

CLIENTS = 40
EVERY_S = 0.5
LIMIT_MS = 100.0

Job = dict[str, Any]


def main() -> None:
    """Measure, print, clean up."""
    with stack(workers=2, threads=CLIENTS) as trimind, running_workers(trimind):
        trimind.set_faults(latency_s=[1.0, 3.0])
        _late_ms(trimind, _wait)  # connections, imports
        polled, waited = _late_ms(trimind, _poll), _late_ms(trimind, _wait)
    for what, ms in (("polling every 500 ms", polled), ("Prefer: wait", waited)):
        group(f"{what}: {CLIENTS} clients")
        figure("late, median", median(ms), "ms")
        figure("late, worst", max(ms), "ms")
    ratio("of the medians", median(waited), median(polled))
    fail_above(LIMIT_MS, "the longest wait", max(waited))


def _late_ms(trimind: Stack, ask: Callable[[httpx.Client], Job]) -> list[float]:
    def one(_: int) -> float:
        with client(trimind) as web:
            job = ask(web)
            now = time.time()
        assert job["status"] == "completed", job
        return (now - datetime.fromisoformat(job["completed_at"]).timestamp()) * 1000

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


def _wait(web: httpx.Client) -> Job:
    found: Job = web.post("/v1/jobs", json=new_job(), headers={"Prefer": "wait=25"}).json()
    return found


def _poll(web: httpx.Client) -> Job:
    job: Job = web.post("/v1/jobs", json=new_job()).json()
    while job["completed_at"] is None:
        time.sleep(EVERY_S)
        job = web.get(f"/v1/jobs/{job['id']}").json()
    return job


if __name__ == "__main__":
    main()
