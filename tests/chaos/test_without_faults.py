"""The other way round: where nothing fails, nothing is dispatched twice."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from .form import Form
from .house import House
from .ledger import Ledger
from .load import Load
from .report import Report


@pytest.fixture
def calm(form: Form) -> Iterator[House]:
    """A stack whose leases are the usual ones, with two workers."""
    with House(replace(form, leases={}, threads=16)) as house:
        fleet = house.fleet(2)
        fleet.start()
        yield house
        fleet.stop()


def test_every_job_completes_at_its_first_dispatch(calm: House, form: Form, report: Report) -> None:
    load = Load(calm.web, calm.key, calm.database_url)
    ledger = Ledger(calm, load)
    load.run(form.quiet_jobs, in_flight=form.in_flight)
    ledger.settle(60)
    counts = ledger.close()
    report.add("none", counts, reconciled=sum(ledger.reconciled().values()))
    books = ledger.entries().values()
    assert counts["accepted"] == counts["completed"] == form.quiet_jobs
    assert {(e.row["epoch"], e.row["starts"], e.paid, len(e.calls)) for e in books} == {
        (1, 4, 1, 1)
    }
    assert ledger.reconciled() == {}
