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


class Shifts:
    """The fleet that works in the shared house, while one does."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None

    def present(self, house: House) -> Fleet:
        """The fleet, ready; a new one where there is none."""
        if self._fleet is None:
            self._fleet = house.fleet()
            self._fleet.start()
        self._fleet.wait_until_ready()
        return self._fleet

    def end(self) -> None:
        """Let nobody work any more."""
        if self._fleet is not None:
            self._fleet.stop()
            self._fleet = None


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
def empty_house(house: House, shifts: Shifts) -> House:
    """The same, and nobody works in it until the test has somebody do so."""
    shifts.end()
    return house


@pytest.fixture
def fleet(house: House, shifts: Shifts) -> Fleet:
    """Workers that are kept alive; tests one after the other have the same."""
    return shifts.present(house)


@pytest.fixture(scope="session")
def shifts(shared_house: House) -> Iterator[Shifts]:
    made = Shifts()
    yield made
    made.end()


@pytest.fixture
def load(house: House) -> Load:
    return Load(house.web, house.key, house.database_url)


@pytest.fixture
def ledger(house: House, load: Load) -> Ledger:
    return Ledger(house, load)
