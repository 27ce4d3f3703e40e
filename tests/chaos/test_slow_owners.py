"""Faults 5 and 6: a worker that was only slow, and a message that is delivered twice."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import httpx
import redis

from models.jobs import LANES

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack
from .waiting import wait_for
from .workers import Fleet, Worker, in_hand

JOBS = 5
QUEUE = "llm"
# kombu keeps a list for each lane.
LISTS = [QUEUE, *(f"{QUEUE}\x06\x16{lane}" for lane in LANES if lane)]
REDELIVERIES = 40


def test_a_worker_that_was_stopped_past_its_lease_is_refused(
    idle_stack: Stack, load: Load, ledger: Ledger, rng: Random, profile: Profile, report: Report
) -> None:
    stack = idle_stack
    stack.set_faults(latency_s=[profile.lease_s, profile.lease_s * 1.5])
    with running(stack.worker()) as slow, httpx.Client(timeout=20) as client:
        jobs = {load.submit(client).job_id for _ in range(JOBS)}
        generating = {(job_id, "generate") for job_id in jobs}
        wait_for(lambda: in_hand(slow.log) == generating, 30, "every job to be in generate")
        wait_for(lambda: called(ledger) == JOBS, 30, "every call to be under way")
        slow.signal(signal.SIGSTOP)
        stack.set_faults(latency_s=[0.05, 0.1])
        with running(stack.worker()):
            ledger.settle(profile.patience_s)
            ended = ledger.rows()
            slow.signal(signal.SIGCONT)
            wait_for(lambda: not in_hand(slow.log), 60, "the slow worker to see that it is late")
            counts = ledger.close()
    report.add("a worker stopped past its lease", counts)
    assert ledger.rows() == ended, "a late worker has changed a finished job"
    assert counts["given_up"] == JOBS
    assert all(entry.row["paid_duplicates"] >= 1 for entry in ledger.entries().values())


def test_a_running_message_that_is_delivered_again_is_dropped(
    stack: Stack,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(seed=profile.seed, latency_s=[0.5, 1.0])
    broker, copies = stack.redis(), 0
    taken = Taken(broker)
    with load.running(profile.in_flight, jobs=profile.jobs // 2):
        while copies < max(REDELIVERIES, profile.jobs // 2):
            wait_for(taken.look, 30, "a message to be worked on")
            copies += redeliver(broker, taken.messages, rng)
    ledger.settle(profile.patience_s)
    counts = ledger.close()
    report.add("a running message delivered again", counts, copies=copies)
    once = [entry for entry in ledger.entries().values() if entry.row["epoch"] == 1]
    assert once
    assert {(entry.row["starts"], entry.paid) for entry in once} == {(4, 1)}


class Taken:
    """The messages that workers took from the queue between the last two looks at it."""

    def __init__(self, broker: redis.Redis) -> None:
        self._broker = broker
        self._waiting: set[str] = set()
        self.messages: list[str] = []

    def look(self) -> bool:
        """Whether there are any."""
        waiting = {str(each) for name in LISTS for each in self._broker.lrange(name, 0, -1)}
        self.messages, self._waiting = sorted(self._waiting - waiting), waiting
        return bool(self.messages)


def redeliver(broker: redis.Redis, messages: list[str], rng: Random) -> int:
    """Requeue copies of messages that are being processed, as after a lost connection."""
    chosen = rng.sample(messages, min(3, len(messages)))
    broker.lpush(QUEUE, *chosen)
    return len(chosen)


def called(ledger: Ledger) -> int:
    """The number of provider calls for the jobs of this load."""
    return sum(len(entry.calls) for entry in ledger.entries().values())


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    """A worker, until the block ends."""
    worker.start()
    try:
        wait_for(worker.ready, 60, "the worker to be ready")
        yield worker
    finally:
        worker.signal(signal.SIGKILL)
