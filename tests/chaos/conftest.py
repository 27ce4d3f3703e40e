"""The stack that all these tests share, and the seed by which each is repeated."""

import random
import sys
from collections.abc import Iterator

import pytest

from .form import Form, chosen
from .house import House
from .ledger import Ledger
from .load import Load
from .report import Report
from .workers import Fleet


@pytest.fixture(scope="session")
def form() -> Form:
    """How much of everything."""
    return chosen()


@pytest.fixture
def chance(form: Form, request: pytest.FixtureRequest) -> random.Random:
    """The randomness of one test; its seed is shown where the test fails."""
    seed = f"{form.seed}:{request.node.name}"
    sys.stdout.write(f"repeat with CHAOS_FORM={form.name} CHAOS_SEED={form.seed}\n")
    return random.Random(seed)


@pytest.fixture(scope="session")
def report(form: Form) -> Iterator[Report]:
    """Takes the figures of every test; written out at the end where CHAOS_REPORT names a file."""
    made = Report(form)
    yield made
    made.write()


@pytest.fixture(scope="session")
def shared_house(form: Form) -> Iterator[House]:
    with House(form) as house:
        yield house


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """The shared stack without workers; it is mended after the test."""
    yield shared_house
    shared_house.behave()
    shared_house.redis().flushall()


@pytest.fixture
def fleet(house: House) -> Iterator[Fleet]:
    """Workers that are kept alive."""
    workers = house.fleet()
    try:
        workers.start()
        yield workers
    finally:
        workers.stop()


@pytest.fixture
def load(house: House) -> Load:
    return Load(house.web, house.key, house.database_url)


@pytest.fixture
def ledger(house: House, load: Load) -> Ledger:
    return Ledger(house, load)
