"""Delay until a waiting client learns that its job has ended, by the database's time of the end.

The baseline are clients that poll every 500 ms, as those of the replaced system did, in one run.
"""

import secrets
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from statistics import median
from typing import Any

import httpx

from tests.chaos.profiles import SHORT
from tests.chaos.stack import Stack

CLIENTS = 40
EVERY_S = 0.5
LIMIT_MS = 100.0

Job = dict[str, Any]


def main() -> None:
    """Measure, print, clean up."""
    with Stack(replace(SHORT, workers=2, threads=CLIENTS, leases={})) as stack:
        fleet = stack.fleet()
        try:
            fleet.start()
            fleet.wait_until_ready()
            stack.set_faults(latency_s=[1.0, 3.0])
            _late_ms(stack, _wait)  # connections, imports
            polled, waited = _late_ms(stack, _poll), _late_ms(stack, _wait)
        finally:
            fleet.stop()
    for what, ms in (("polling every 500 ms", polled), ("Prefer: wait", waited)):
        print(f"{what}: {CLIENTS} clients")
        print(f"  late, median               {median(ms):6.1f} ms")
        print(f"  late, worst                {max(ms):6.1f} ms")
    print(f"  ratio of the medians       {median(waited) / median(polled):6.2f}")
    if max(waited) > LIMIT_MS:
        sys.exit(f"somebody waited over {LIMIT_MS:.0f} ms too long")


def _late_ms(stack: Stack, ask: Callable[[httpx.Client, Job], Job]) -> list[float]:
    def one(_: int) -> float:
        headers = {"Authorization": f"Bearer {stack.key}"}
        body = {"message": f"Please consider [#{secrets.token_hex(8)}] and answer."}
        with httpx.Client(base_url=stack.web, headers=headers, timeout=60) as client:
            job = ask(client, body)
            now = time.time()
        assert job["status"] == "completed", job
        return (now - datetime.fromisoformat(job["completed_at"]).timestamp()) * 1000

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


def _wait(client: httpx.Client, body: Job) -> Job:
    found: Job = client.post("/v1/jobs", json=body, headers={"Prefer": "wait=25"}).json()
    return found


def _poll(client: httpx.Client, body: Job) -> Job:
    job: Job = client.post("/v1/jobs", json=body).json()
    while job["completed_at"] is None:
        time.sleep(EVERY_S)
        job = client.get(f"/v1/jobs/{job['id']}").json()
    return job


if __name__ == "__main__":
    main()
