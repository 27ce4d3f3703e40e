"""Fault 1: the process group of a random worker is killed again and again, under a backlog."""

import threading
import time
from random import Random

from .form import Form
from .house import House
from .ledger import Ledger
from .load import Load
from .recovery import Recovery
from .report import Report, percentile
from .workers import Fleet

EVERY_S = 3.0
WITHIN_S = 45.0


def test_killed_workers_lose_and_double_nothing(
    house: House,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    chance: Random,
    form: Form,
    report: Report,
) -> None:
    house.behave(seed=form.seed, latency_s=[0.2, 1.0])
    recovery = Recovery(fleet)
    kills = 0
    with load.running(form.in_flight, jobs=form.jobs):
        while kills < form.kills:
            threading.Event().wait(EVERY_S * chance.uniform(0.8, 1.2))
            victim = chance.choice(fleet.workers)
            if not victim.ready():
                continue
            at = time.time()
            hit = victim.kill()
            recovery.hit(at, hit)
            kills += 1
    ledger.settle(form.patience_s)
    counts = ledger.close(may_fail=frozenset({"poison"} if form.kills > 50 else ()))
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
