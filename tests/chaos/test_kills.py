"""Fault 1: a random worker's process group is killed repeatedly, under a backlog."""

import threading
import time
from random import Random

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .recovery import Recovery
from .report import Report, percentile
from .stack import Stack
from .workers import Fleet

EVERY_S = 3.0
WITHIN_S = 45.0


def test_killed_workers_lose_and_double_nothing(
    stack: Stack,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(seed=profile.seed, latency_s=[0.2, 1.0])
    recovery = Recovery(fleet)
    kills = 0
    with load.running(profile.in_flight, jobs=profile.jobs):
        while kills < profile.kills:
            threading.Event().wait(EVERY_S * rng.uniform(0.8, 1.2))
            victim = rng.choice(fleet.workers)
            if not victim.ready():
                continue
            at = time.time()
            hit = victim.kill()
            recovery.hit(at, hit)
            kills += 1
    ledger.settle(profile.patience_s)
    counts = ledger.close(may_fail=frozenset({"poison"} if profile.kills > 50 else ()))
    seconds = recovery.seconds()
    report.add(
        "a worker killed every 3 s",
        counts,
        kills=kills,
        runs_hit=len(seconds),
        recovery_p50_s=percentile(seconds, 0.5),
        recovery_p99_s=percentile(seconds, 0.99),
    )
    assert counts["given_up"] > 0, "no kill hit a running stage: the test is too weak"
    assert percentile(seconds, 0.99) < WITHIN_S
