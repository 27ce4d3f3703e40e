"""The converse: without faults, nothing is dispatched twice."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack


@pytest.fixture
def calm(profile: Profile) -> Iterator[Stack]:
    """A stack with the default leases and two workers."""
    with Stack(replace(profile, leases={}, threads=16)) as stack:
        fleet = stack.fleet(2)
        fleet.start()
        yield stack
        fleet.stop()


def test_every_job_completes_at_its_first_dispatch(
    calm: Stack, profile: Profile, report: Report
) -> None:
    load = Load(calm.web, calm.key, calm.database_url)
    ledger = Ledger(calm, load)
    load.run(profile.quiet_jobs, in_flight=profile.in_flight)
    ledger.settle(60)
    counts = ledger.close()
    report.add("none", counts, reconciled=sum(ledger.reconciled().values()))
    books = ledger.entries().values()
    assert counts["accepted"] == counts["completed"] == profile.quiet_jobs
    assert {(e.row["epoch"], e.row["starts"], e.paid, len(e.calls)) for e in books} == {
        (1, 4, 1, 1)
    }
    assert ledger.reconciled() == {}
