"""What a whole job costs in CPU, all processes together, against a plain Celery task.

The provider answers at once. Both sides call it twice for each job: for the intent, and for an
answer in 10 or in 120 pieces. The baseline (`bench.plain`) uses the same servers in the same run.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
from celery import Celery

from bench import plain
from bench.cpu import spent_s
from deploy.embedded.ports import free_port
from tests.chaos.load import Load
from tests.chaos.profiles import SHORT
from tests.chaos.stack import MINDS, Stack
from tests.chaos.waiting import wait_for
from tests.chaos.workers import ROOT

JOBS = 200
FIRST = 30  # that import, compile and connect
THREADS = 32
PIECES = (10, 120)
ALWAYS = 4  # pieces of the provider's shortest answer
WITHIN_S = 600.0
READY_WITHIN_S = 180.0
EVERY_S = 0.5
PROGRESS_S = 5.0

Send = Callable[[int], None]
Pids = dict[str, int]
Costs = dict[str, float]


def main() -> None:
    """Measure, print, clean up."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as minds:
        minds.write(MINDS.replace("intent_models = []", 'intent_models = ["openai/gpt-4o-mini"]'))
        minds.flush()
        profile = replace(SHORT, workers=1, threads=THREADS, leases={})
        with Stack(profile, MINDS_FILE=minds.name) as stack:
            with _plain_worker(stack) as pids:
                theirs = [_cost(stack, pids, pieces, _sender(stack), "plain") for pieces in PIECES]
            with _our_processes(stack) as pids:
                send = Load(stack.web, stack.key, stack.database_url).run
                ended = "jobs WHERE completed_at IS NOT NULL"
                ours = [_cost(stack, pids, pieces, send, ended) for pieces in PIECES]
    for pieces, our, their in zip(PIECES, ours, theirs, strict=True):
        print(f"{pieces} pieces: {JOBS} jobs")
        _print("the whole stack", our)
        _print("a plain task", their)
        print(f"  ratio to the plain task    {sum(our.values()) / sum(their.values()):6.2f}")


def _cost(stack: Stack, pids: Pids, pieces: int, send: Send, ended: str) -> Costs:
    """The milliseconds of CPU of each process for each job; `ended` selects those that are done."""
    stack.set_faults(latency_s=[0, 0], words=pieces - ALWAYS)
    with psycopg.connect(stack.database_url, autocommit=True) as connection:

        def count() -> int:
            row = connection.execute(f"SELECT count(*) FROM {ended}".encode()).fetchone()
            return int(row[0]) if row else 0

        _run(FIRST, send, count)
        before, calls = _spent_s(pids), len(stack.calls())
        _run(JOBS, send, count)
        after = _spent_s(pids)
    assert len(stack.calls()) - calls == 2 * JOBS, "not two calls a job"
    return {name: (after[name] - before[name]) / JOBS * 1000 for name in before}


def _run(jobs: int, send: Send, count: Callable[[], int]) -> None:
    """Send this many jobs and wait until they have ended, with progress."""
    before, shown = count(), time.monotonic()
    send(jobs)
    end = time.monotonic() + WITHIN_S
    while (done := count() - before) < jobs:
        assert time.monotonic() < end, f"{done} of {jobs} jobs in {WITHIN_S:.0f} s"
        if time.monotonic() - shown > PROGRESS_S:
            shown = time.monotonic()
            print(f"  ... {done} of {jobs} jobs", flush=True)
        time.sleep(EVERY_S)


def _spent_s(pids: Pids) -> Costs:
    """Of this process, which sends the plain tasks, without its descendants."""
    return {
        name: time.process_time() if pid == os.getpid() else spent_s([pid])
        for name, pid in pids.items()
    }


def _print(side: str, ms: Costs) -> None:
    print(f"  {side:26} {sum(ms.values()):6.2f} ms of CPU a job")
    for name, spent in ms.items():
        print(f"    {name:24} {spent:6.2f} ms")


# --- the two sides


@contextmanager
def _our_processes(stack: Stack) -> Iterator[Pids]:
    """The process ids of web, worker, Flower and servers, ready. The `cpu` worker has no part."""
    port = str(free_port())
    flower = stack.start("flower", PORT=port, FLOWER_ADDRESS="127.0.0.1")
    user, _, password = stack.environ["FLOWER_BASIC_AUTH"].partition(":")
    url = f"http://127.0.0.1:{port}/healthcheck"
    wait_for(lambda: _answers(url, (user, password)), READY_WITHIN_S, "Flower")
    fleet = stack.fleet()
    try:
        fleet.start()
        worker = fleet.workers[0].identity
        assert worker is not None
        yield stack.pids() | {"worker": worker.pid, "flower": flower.identity.pid}
    finally:
        fleet.stop()


@contextmanager
def _plain_worker(stack: Stack) -> Iterator[Pids]:
    """The process ids of the servers, the plain task's worker, and this process, its sender."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(plain.TABLE)
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "bench.plain", "worker"]
    command += ["--pool", "threads", "--concurrency", str(THREADS), "--queues", plain.QUEUE]
    command += ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    more = {"PLAIN_BROKER": _broker(stack), "PLAIN_DATABASE": stack.database_url}
    with Path(stack.home / "plain.log").open("w") as log:
        worker = subprocess.Popen(
            command, env=stack.environ | more, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
    servers = {name: pid for name, pid in stack.pids().items() if name != "web"}
    try:
        yield servers | {"worker": worker.pid, "sender": os.getpid()}
    finally:
        worker.terminate()
        worker.wait(60)


def _sender(stack: Stack) -> Send:
    app = Celery("sender", broker=_broker(stack))

    def send(jobs: int) -> None:
        for number in range(jobs):
            message = f"Please consider [#{number:016x}] and answer."
            app.send_task(plain.TASK, (str(number), message), queue=plain.QUEUE)

    return send


def _broker(stack: Stack) -> str:
    return stack.environ["REDIS_URL"].removesuffix("/0") + "/1"


def _answers(url: str, auth: tuple[str, str]) -> bool:
    try:
        return httpx.get(url, auth=auth, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
