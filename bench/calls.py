"""CPU and latency of single calls: an accept, a poll of a finished job, and one without a change.

The CPU is that of the web process. The baseline is this process's CPU for publishing a plain
Celery task to the same Redis, in the same run.
"""

import time
from collections.abc import Callable

import httpx

from bench.figures import figure, group, latencies, ratio
from bench.processes import spent_s
from bench.sides import plain_sender
from bench.stack import client, new_job, running_workers, stack

CALLS = 400
A_SECOND = 100

Call = Callable[[], httpx.Response]


def main() -> None:
    """Measure, print, clean up."""
    with stack() as trimind, client(trimind) as web:
        with running_workers(trimind):
            path = f"/v1/jobs/{_finished(web)}"
        etag = {"If-None-Match": web.get(path).headers["ETag"]}
        pid = trimind.pids()["web"]
        plain = _published_ms(plain_sender(trimind))
        group("a plain task: published")
        figure("CPU", plain, "ms a task", digits=2)
        # No worker runs: the jobs that are accepted wait, and only the web is busy.
        _measure("accept", pid, plain, lambda: web.post("/v1/jobs", json=new_job()), 202)
        _measure("poll of a finished job", pid, plain, lambda: web.get(path), 200)
        _measure("poll without a change", pid, plain, lambda: web.get(path, headers=etag), 304)


def _finished(web: httpx.Client) -> str:
    job = web.post("/v1/jobs", json=new_job(), headers={"Prefer": "wait=25"}).json()
    assert job["status"] == "completed", job
    return str(job["id"])


def _published_ms(send: Callable[[int], None]) -> float:
    send(20)  # connects
    before = time.process_time()
    send(CALLS)
    return (time.process_time() - before) / CALLS * 1000


def _measure(name: str, pid: int, plain: float, call: Call, status: int) -> None:
    _paced(20, call, status)  # imports, statements
    before = spent_s([pid])
    took = _paced(CALLS, call, status)
    cpu_ms = (spent_s([pid]) - before) / CALLS * 1000
    group(f"{name}: {CALLS} calls, {A_SECOND} a second")
    latencies(took)
    figure("CPU of the web", cpu_ms, "ms a call", digits=2)
    ratio("to publishing plainly", cpu_ms, plain)


def _paced(count: int, call: Call, status: int) -> list[float]:
    """The latency of each call, in milliseconds; each begins in time, or once the last is done."""
    took, began = [], time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
        asked = time.perf_counter()
        answer = call()
        took.append((time.perf_counter() - asked) * 1000)
        assert answer.status_code == status, answer.text
    return took


if __name__ == "__main__":
    main()
