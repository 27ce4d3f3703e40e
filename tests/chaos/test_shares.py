"""Fault 1 again, while half of the unfinished jobs are held beyond their user's share."""

import threading
from random import Random

import psycopg

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack

EVERY_S = 3.0
HELD = "SELECT count(*) FROM jobs WHERE slot = 'held'"


def test_killed_workers_leave_no_held_job_behind(
    rng: Random, profile: Profile, report: Report
) -> None:
    share = profile.in_flight // 2
    with Stack(profile, USER_SHARE=str(share)) as stack:
        fleet = stack.fleet()
        load = Load(stack.web, stack.key, stack.database_url)
        ledger = Ledger(stack, load)
        stack.set_faults(seed=profile.seed, latency_s=[0.2, 1.0])
        held = []
        try:
            fleet.start()
            fleet.wait_until_ready()
            with load.running(profile.in_flight, jobs=profile.jobs):
                for _ in range(profile.kills):
                    threading.Event().wait(EVERY_S * rng.uniform(0.8, 1.2))
                    held.append(_held(stack))
                    rng.choice(fleet.workers).kill()
            ledger.settle(profile.patience_s)
            counts = ledger.close(may_fail=frozenset({"poison"} if profile.kills > 50 else ()))
        finally:
            fleet.stop()
    report.add(f"a share of {share}, a worker killed every 3 s", counts, most_held=max(held))
    assert max(held) > 0, "no job was held: the test is too weak"


def _held(stack: Stack) -> int:
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute(HELD).fetchone()
    return row[0] if row else 0
