"""Fault 1 again, while workers take jobs of users with few in flight beyond what they work on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import redis

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack

EVERY_S = 3.0
# Enough that a worker computes for some while others wait for the provider.
THREADS = 32
# More than both workers take.
CROWD = 250


def test_killed_workers_lose_no_job_that_went_past_others(
    rng: Random, profile: Profile, report: Report
) -> None:
    with Stack(replace(profile, threads=THREADS, workers=2)) as stack:
        fleet = stack.fleet()
        crowd = Load(stack.web, stack.key, stack.database_url)
        other_key = stack.trimind("key", "create", "--user", "other").strip()
        others = Load(stack.web, other_key, stack.database_url)
        ledgers = [Ledger(stack, crowd), Ledger(stack, others)]
        stack.set_faults(seed=profile.seed, latency_s=[0.0, 0.05])
        try:
            fleet.start()
            with (
                reads_of_first_lane(stack.redis()) as reads,
                crowd.running(CROWD, jobs=profile.jobs),
                others.running(rest_s=0.2),
            ):
                for _ in range(profile.kills):
                    threading.Event().wait(EVERY_S * rng.uniform(0.8, 1.2))
                    rng.choice(fleet.workers).kill()
            for ledger in ledgers:
                ledger.settle(profile.patience_s)
            may_fail = frozenset({"poison"} if profile.kills > 50 else ())
            counts, of_others = [ledger.close(may_fail=may_fail) for ledger in ledgers]
        finally:
            fleet.stop()
    report.add("a worker killed every 3 s, beside a crowd", counts)
    report.add("the same: users with few jobs", of_others, reads=len(reads))
    assert reads, "no worker was full: the test is too weak"


@contextmanager
def reads_of_first_lane(client: redis.Redis) -> Iterator[list[str]]:
    """The commands by which workers wait for messages of the first lane alone."""
    reads: list[str] = []
    ended = threading.Event()
    with client.monitor() as monitor:

        def note() -> None:
            for command in monitor.listen():
                if ended.is_set():
                    return
                if command["command"].startswith("BRPOP llm 1"):
                    reads.append(command["command"])

        thread = threading.Thread(target=note, daemon=True)
        thread.start()
        try:
            yield reads
        finally:
            ended.set()
            client.ping()
            thread.join()
