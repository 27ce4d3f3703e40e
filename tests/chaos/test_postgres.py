"""Fault 4: PostgreSQL is stopped immediately and restarted, under load."""

import threading
from random import Random

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack
from .workers import Fleet

OUTAGE_S = 3.0


def test_a_crash_of_postgres_breaks_no_promise(
    stack: Stack,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(seed=profile.seed, latency_s=[0.2, 0.8])
    with load.running(profile.in_flight, jobs=profile.jobs // 2, rest_s=0.1):
        for _ in range(profile.flushes):
            threading.Event().wait(rng.uniform(2, 4))
            stack.crash_postgres()
            threading.Event().wait(rng.uniform(OUTAGE_S, 2 * OUTAGE_S))
            stack.backends.restart("postgres")
    ledger.settle(profile.patience_s)
    counts = ledger.close()
    refused = sum(promise.status != 202 for promise in load.promises)
    report.add("PostgreSQL stopped at once", counts, times=profile.flushes, refused=refused)
    assert refused > 0, "nobody submitted during the outage: the test is too weak"
    assert {p.status for p in load.promises} <= {202, 503, None}
