"""No fault: a provider that is silent, and a worker that waits for it in many threads."""

from collections.abc import Iterator

import pytest

from tasks.worker.prefetch import WORKING

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .stack import Stack
from .waiting import wait_for
from .workers import Worker

THREADS = WORKING * 2


@pytest.fixture
def worker(idle_stack: Stack) -> Iterator[Worker]:
    made = idle_stack.worker(WORKER_THREADS=str(THREADS)).start()
    wait_for(made.ready, 60, "the worker to be ready")
    yield made
    made.kill()


@pytest.mark.usefixtures("worker")
def test_one_worker_has_a_call_in_flight_in_each_of_its_threads(
    stack: Stack, load: Load, ledger: Ledger, profile: Profile
) -> None:
    stack.set_faults(weights={"hang": 1}, faults_per_job=1)
    begun = len(stack.calls())
    load.run(THREADS)
    wait_for(lambda: in_flight(stack, begun) == THREADS, 60, "a call in each thread")
    stack.set_faults()
    ledger.settle(profile.patience_s)
    assert {entry.status for entry in ledger.entries().values()} == {"completed"}


def in_flight(stack: Stack, begun: int) -> int:
    return sum(call["ended"] is None for call in stack.calls()[begun:])
