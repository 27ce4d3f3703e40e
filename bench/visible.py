"""Time from the submit of a job until its client has the answer, at 20 jobs a second.

Clients wait (`Prefer: wait`) or follow the stream of events. The provider answers at once. The
baseline is a plain Celery task that makes the same calls, until its row is in the database.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import httpx
import psycopg

from bench.figures import group, latencies, ratio
from bench.sides import SHORTEST, comparable, our_processes, plain_sender, plain_worker
from bench.stack import client, new_job
from tests.chaos.stack import Stack
from tests.chaos.waiting import wait_for

JOBS = 160
FIRST = 20  # that import, compile and connect
A_SECOND = 20
PIECES = 10
WITHIN_S = 60
ENDS = "event: job.completed"

Ask = Callable[[httpx.Client], object]


def main() -> None:
    """Measure, print, clean up."""
    with comparable() as trimind:
        trimind.set_faults(latency_s=[0, 0], words=PIECES - SHORTEST)
        with plain_worker(trimind):
            plain = _plainly(trimind)
        with our_processes(trimind), client(trimind) as web:
            waited, streamed = _visible_ms(web, _wait), _visible_ms(web, _stream)
    _print("a plain task, in the database", plain)
    for what, ms in (("Prefer: wait", waited), ("stream", streamed)):
        _print(what, ms)
        ratio("of the medians", median(ms), median(plain))


def _print(what: str, ms: list[float]) -> None:
    group(f"{what}: {len(ms)} jobs, {A_SECOND} a second")
    latencies(ms)


def _plainly(trimind: Stack) -> list[float]:
    """Milliseconds from the publishing of a plain task until its row."""
    send, sent = plain_sender(trimind), []
    with psycopg.connect(trimind.database_url, autocommit=True) as connection:
        rows = "SELECT extract(epoch FROM at)::float8 FROM plain ORDER BY mark::int"

        def done() -> list[float]:
            return [at for (at,) in connection.execute(rows)]

        send(FIRST)
        wait_for(lambda: len(done()) == FIRST, WITHIN_S, "the first tasks")
        for _ in range(JOBS):
            sent.append(time.time())
            send(1)
            time.sleep(1 / A_SECOND)
        wait_for(lambda: len(done()) == FIRST + JOBS, WITHIN_S, "all tasks")
        ends = done()[FIRST:]
    return [(end - begin) * 1000 for begin, end in zip(sent, ends, strict=True)]


def _visible_ms(web: httpx.Client, ask: Ask) -> list[float]:
    def one(_: int) -> float:
        began = time.perf_counter()
        ask(web)
        return (time.perf_counter() - began) * 1000

    with ThreadPoolExecutor(A_SECOND) as pool:
        asked = []
        for number in range(FIRST + JOBS):
            asked.append(pool.submit(one, number))
            time.sleep(1 / A_SECOND)
        return [each.result(WITHIN_S) for each in asked][FIRST:]


def _wait(web: httpx.Client) -> None:
    job = web.post("/v1/jobs", json=new_job(), headers={"Prefer": "wait=25"}).json()
    assert job["status"] == "completed", job


def _stream(web: httpx.Client) -> None:
    job = web.post("/v1/jobs", json=new_job()).json()
    with web.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
        assert any(line == ENDS for line in events.iter_lines()), job


if __name__ == "__main__":
    main()
