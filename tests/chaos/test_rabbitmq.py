"""Fault 1 with RabbitMQ as the broker, which is stopped and started once."""

import threading
from collections.abc import Iterator
from random import Random

import pytest

from tests.integration.rabbitmq import Broker

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack

EVERY_S = 3.0


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def test_killed_workers_and_a_stopped_rabbitmq_lose_and_double_nothing(
    broker: Broker, rng: Random, profile: Profile, report: Report
) -> None:
    with Stack(profile, BROKER_URL=f"amqp://guest:guest@127.0.0.1:{broker.port}//") as stack:
        fleet = stack.fleet()
        load = Load(stack.web, stack.key, stack.database_url)
        ledger = Ledger(stack, load)
        stack.set_faults(seed=profile.seed, latency_s=[0.2, 1.0])
        try:
            fleet.start()
            fleet.wait_until_ready()
            with load.running(profile.in_flight, jobs=profile.jobs):
                for number in range(profile.kills):
                    threading.Event().wait(EVERY_S * rng.uniform(0.8, 1.2))
                    rng.choice(fleet.workers).kill()
                    if number == profile.kills // 2:
                        broker.restart()
            ledger.settle(profile.patience_s)
            counts = ledger.close(may_fail=frozenset({"poison"} if profile.kills > 50 else ()))
        finally:
            fleet.stop()
    report.add("RabbitMQ: restarted once, a worker killed every 3 s", counts)
    assert counts["given_up"] > 0, "no kill hit a running stage: the test is too weak"
