"""Fault 14: the link of a host is cut, while its worker runs stages, and restored later."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

import pytest

from .hosts import Host, Network
from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .proxy import Proxy
from .report import Report
from .stack import Stack
from .waiting import wait_for
from .workers import Fleet, Worker, in_hand

RUNNING = 3  # stages of the host at least, when its link is cut


@dataclass
class Site:
    """A host and its worker."""

    host: Host
    worker: Worker

    def generating(self) -> frozenset[str]:
        """The jobs that it has begun to generate, and not finished."""
        return frozenset(id_ for id_, stage in in_hand(self.worker.log) if stage == "generate")

    def ended(self) -> set[str]:
        """The jobs that it has completed."""
        return {
            line["job_id"]
            for line in self.worker.lines()
            if (line["event"], line.get("stage")) == ("stage finished", "persist")
        }


@pytest.fixture
def sites(idle_stack: Stack) -> Iterator[list[Site]]:
    """Two hosts, which share nothing but the servers that they reach over the network."""
    with ExitStack() as exits:
        network = exits.enter_context(Network())
        proxies = {
            name: exits.enter_context(Proxy(target, network.listen()))
            for name, target in idle_stack.targets().items()
        }
        settings = idle_stack.behind(proxies)
        hosts = [network.add_host(number) for number in (1, 2)]
        made = [Site(host, idle_stack.worker(host.namespace.files, **settings)) for host in hosts]
        fleet = Fleet([site.worker for site in made])
        exits.callback(fleet.stop)
        fleet.start()
        yield made


def test_a_host_that_was_cut_off_and_returns_loses_and_doubles_nothing(
    sites: list[Site],
    stack: Stack,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(seed=profile.seed, latency_s=[0.8, 1.6])
    far, near = rng.sample(sites, 2)
    with load.running(profile.in_flight // 3):
        wait_for(lambda: far.ended() and near.ended(), 60, "work of both hosts")
        wait_for(lambda: len(far.generating()) >= RUNNING, 60, "stages of the far host")
        far.host.cut()
        until = time.time() + profile.lease_s * 1.5
        wait_for(lambda: time.time() > until, 60, "leases to run out")
        held = far.generating()
    ledger.settle(profile.patience_s)
    rows, before = ledger.rows(), far.ended()
    with load.running(profile.in_flight // 3):
        far.host.restore()
        wait_for(lambda: not held & far.generating(), 60, "the far host to see that it is late")
        wait_for(lambda: far.ended() - before, 60, "new work of the far host")
    ledger.settle(profile.patience_s)
    # A request that was on its way when the link was cut arrives once it is restored.
    now, counts = ledger.rows(), ledger.close(delayed=held)
    report.add("a host cut off and returned", counts, held=len(held))
    assert (counts["lost"], counts["doubled"]) == (0, 0)
    assert {mark: now[mark] for mark in rows} == rows, "the late host changed what had ended"
    given_up = {entry.row["id"] for entry in ledger.entries().values() if entry.row["epoch"] > 1}
    assert held & given_up, "the cut hit no running stage: the test is too weak"
    assert held & given_up <= near.ended()
