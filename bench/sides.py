"""The two sides of a comparison, on the same servers: our processes, and one plain Celery task."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

import httpx
import psycopg
from celery import Celery

from bench import plain
from bench.figures import figure
from bench.processes import spent_s
from bench.stack import running_workers, stack
from deploy.embedded.ports import free_port
from tests.chaos.load import Load
from tests.chaos.stack import MINDS, Stack
from tests.chaos.waiting import wait_for
from tests.chaos.workers import ROOT

THREADS = 32
FIRST = 30  # jobs that import, compile and connect
SHORTEST = 4  # pieces of the provider's shortest answer
# Which rows are a side's jobs that are done.
OURS = """jobs WHERE completed_at IS NOT NULL
    AND user_id = (SELECT id FROM users WHERE external_id = 'chaos')"""
PLAIN = "plain"
_WITHIN_S = 600.0
_READY_WITHIN_S = 180.0
_EVERY_S = 0.5
_PROGRESS_S = 5.0

Send = Callable[[int], None]
Pids = dict[str, int]
Costs = dict[str, float]


@contextmanager
def comparable() -> Iterator[Stack]:
    """A stack whose jobs ask the provider for the intent as well, as the plain task does."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as minds:
        minds.write(MINDS.replace("intent_models = []", 'intent_models = ["openai/gpt-4o-mini"]'))
        minds.flush()
        with stack(threads=THREADS, MINDS_FILE=minds.name) as trimind:
            yield trimind


def cost(of: Stack, pids: Pids, pieces: int, jobs: int, send: Send, done: str) -> Costs:
    """The milliseconds of CPU of each process for each job."""
    of.set_faults(latency_s=[0, 0], words=pieces - SHORTEST)
    with psycopg.connect(of.database_url, autocommit=True) as connection:

        def ended() -> int:
            row = connection.execute(f"SELECT count(*) FROM {done}".encode()).fetchone()
            return int(row[0]) if row else 0

        _run(FIRST, send, ended)
        before, calls = spent_by(pids), len(of.calls())
        _run(jobs, send, ended)
        after = spent_by(pids)
    assert len(of.calls()) - calls == 2 * jobs, "not two calls a job"
    return {name: (after[name] - before[name]) / jobs * 1000 for name in before}


def spent_by(pids: Pids) -> Costs:
    """CPU seconds; of this process, which sends the plain tasks, without its descendants."""
    return {
        name: time.process_time() if pid == os.getpid() else spent_s([pid])
        for name, pid in pids.items()
    }


def print_costs(side: str, ms: Costs) -> None:
    """Print what a job costs, and of which process."""
    figure(side, sum(ms.values()), "ms of CPU a job", digits=2)
    for name, spent in ms.items():
        figure(f"  {name}", spent, "ms", digits=2)


def _run(jobs: int, send: Send, ended: Callable[[], int]) -> None:
    """Send this many jobs and wait until they have ended, with progress."""
    before, shown = ended(), time.monotonic()
    send(jobs)
    end = time.monotonic() + _WITHIN_S
    while (done := ended() - before) < jobs:
        assert time.monotonic() < end, f"{done} of {jobs} jobs in {_WITHIN_S:.0f} s"
        if time.monotonic() - shown > _PROGRESS_S:
            shown = time.monotonic()
            print(f"  ... {done} of {jobs} jobs", flush=True)
        time.sleep(_EVERY_S)


@contextmanager
def our_processes(of: Stack) -> Iterator[Pids]:
    """The process ids of web, worker, Flower and servers, ready. The `cpu` worker has no part."""
    port = str(free_port())
    flower = of.start("flower", PORT=port, FLOWER_ADDRESS="127.0.0.1")
    user, _, password = of.environ["FLOWER_BASIC_AUTH"].partition(":")
    url = f"http://127.0.0.1:{port}/healthcheck"
    wait_for(lambda: _answers(url, (user, password)), _READY_WITHIN_S, "Flower")
    with running_workers(of) as fleet:
        worker = fleet.workers[0].identity
        assert worker is not None
        yield of.pids() | {"worker": worker.pid, "flower": flower.identity.pid}


def our_sender(of: Stack) -> Send:
    """Submits jobs over HTTP."""
    return Load(of.web, of.key, of.database_url).run


@contextmanager
def plain_worker(of: Stack) -> Iterator[Pids]:
    """The process ids of the servers, the plain task's worker, and this process, its sender."""
    with psycopg.connect(of.database_url, autocommit=True) as connection:
        connection.execute(plain.TABLE)
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "bench.plain", "worker"]
    command += ["--pool", "threads", "--concurrency", str(THREADS), "--queues", plain.QUEUE]
    command += ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    more = {"PLAIN_BROKER": _broker(of), "PLAIN_DATABASE": of.database_url}
    with Path(of.home / "plain.log").open("w") as log:
        worker = subprocess.Popen(
            command, env=of.environ | more, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
    servers = {name: pid for name, pid in of.pids().items() if name != "web"}
    try:
        yield servers | {"worker": worker.pid, "sender": os.getpid()}
    finally:
        worker.terminate()
        worker.wait(60)


def plain_sender(of: Stack) -> Send:
    """Publishes plain tasks from this process, with the marks 0, 1, 2…"""
    app, numbers = Celery("sender", broker=_broker(of)), count()

    def send(jobs: int) -> None:
        for number in islice(numbers, jobs):
            message = f"Please consider [#{number:016x}] and answer."
            app.send_task(plain.TASK, (str(number), message), queue=plain.QUEUE)

    return send


def _broker(of: Stack) -> str:
    return of.environ["REDIS_URL"].removesuffix("/0") + "/1"


def _answers(url: str, auth: tuple[str, str]) -> bool:
    try:
        return httpx.get(url, auth=auth, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
