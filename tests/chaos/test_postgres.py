"""Fault 4: PostgreSQL is stopped at once, and restarted, under load."""

import threading
from random import Random

from .form import Form
from .house import House
from .ledger import Ledger
from .load import Load
from .report import Report
from .workers import Fleet

OUTAGE_S = 3.0


def test_a_crash_of_postgres_breaks_no_promise(
    house: House,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    chance: Random,
    form: Form,
    report: Report,
) -> None:
    house.behave(seed=form.seed, latency_s=[0.2, 0.8])
    with load.running(form.in_flight, jobs=form.jobs // 2, rest_s=0.1):
        for _ in range(form.flushes):
            threading.Event().wait(chance.uniform(2, 4))
            house.crash_postgres()
            threading.Event().wait(chance.uniform(OUTAGE_S, 2 * OUTAGE_S))
            house.backends.restart("postgres")
    ledger.settle(form.patience_s)
    counts = ledger.close()
    refused = sum(promise.status != 202 for promise in load.promises)
    report.add("PostgreSQL stopped at once", counts, times=form.flushes, refused=refused)
    assert refused > 0, "nobody submitted during the outage: the test is too weak"
    assert {p.status for p in load.promises} <= {202, 503, None}
