"""Fault 8: a worker is cut off from its servers, without any connection being closed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

import pytest

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .proxy import Proxy
from .report import Report
from .stack import Stack
from .waiting import wait_for
from .workers import Fleet, Worker


@dataclass
class Far:
    """One worker behind proxies, and one without."""

    worker: Worker
    proxies: dict[str, Proxy]

    def finished(self) -> int:
        """The number of stages that it has finished."""
        return sum(line["event"] == "stage finished" for line in self.worker.lines())


SERVERS = ("Redis", "PostgreSQL")
MORE = 30  # jobs that are submitted while a worker is cut off


@pytest.fixture
def far(idle_stack: Stack) -> Iterator[Far]:
    stack = idle_stack
    with ExitStack() as exits:
        proxies = {
            name: exits.enter_context(Proxy(target))
            for name, target in stack.targets().items()
            if name in SERVERS
        }
        worker = stack.worker(**stack.behind(proxies))
        near = stack.worker()
        fleet = Fleet([worker, near])
        exits.callback(fleet.stop)
        fleet.start()
        yield Far(worker, proxies)


@pytest.mark.parametrize("server", SERVERS)
def test_a_worker_cut_off_in_silence_loses_and_doubles_nothing(
    server: str,
    far: Far,
    stack: Stack,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(seed=profile.seed, latency_s=[0.2, 0.6])
    with load.running(profile.in_flight // 2, rest_s=0.1):
        wait_for(lambda: far.finished() > rng.randint(5, 20), 60, "work of the far worker")
        far.proxies[server].freeze()
        silent_from, until = len(load.promises), time.time() + profile.lease_s * 1.5
        wait_for(lambda: len(load.promises) >= silent_from + MORE, 120, "more load")
        wait_for(lambda: time.time() > until, 60, "leases to run out")
    ledger.settle(profile.patience_s)
    before = far.finished()
    far.proxies[server].thaw()
    with load.running(profile.in_flight // 2, rest_s=0.1):
        wait_for(lambda: far.finished() > before, 60, "the far worker to come back")
    ledger.settle(profile.patience_s)
    report.add(f"silence between worker and {server}", ledger.close())
