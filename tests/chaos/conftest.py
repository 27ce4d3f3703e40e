"""The stack that all these tests share, and the seed by which each is repeated."""

import random
import sys
from collections.abc import Iterator

import pytest

from .ledger import Ledger
from .load import Load
from .profiles import Profile, chosen
from .report import Report
from .stack import Stack
from .workers import Fleet


class Shifts:
    """The fleet that works in the shared stack, while one does."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None

    def present(self, stack: Stack) -> Fleet:
        """The fleet, ready; a new one where there is none."""
        if self._fleet is None:
            self._fleet = stack.fleet()
            self._fleet.start()
        self._fleet.wait_until_ready()
        return self._fleet

    def end(self) -> None:
        """Let nobody work any more."""
        if self._fleet is not None:
            self._fleet.stop()
            self._fleet = None


@pytest.fixture(scope="session")
def profile() -> Profile:
    """The chosen profile."""
    return chosen()


@pytest.fixture
def rng(profile: Profile, request: pytest.FixtureRequest) -> random.Random:
    """The randomness of one test; its seed is shown where the test fails."""
    seed = f"{profile.seed}:{request.node.name}"
    sys.stdout.write(f"repeat with CHAOS_PROFILE={profile.name} CHAOS_SEED={profile.seed}\n")
    return random.Random(seed)


@pytest.fixture(scope="session")
def report(profile: Profile) -> Iterator[Report]:
    """Takes the figures of every test; written out at the end where CHAOS_REPORT names a file."""
    made = Report(profile)
    yield made
    made.write()


@pytest.fixture(scope="session")
def shared_stack(profile: Profile) -> Iterator[Stack]:
    with Stack(profile) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The shared stack without workers; it is mended after the test."""
    yield shared_stack
    shared_stack.behave()
    shared_stack.redis().flushall()


@pytest.fixture
def idle_stack(stack: Stack, shifts: Shifts) -> Stack:
    """The same, and nobody works in it until the test has somebody do so."""
    shifts.end()
    return stack


@pytest.fixture
def fleet(stack: Stack, shifts: Shifts) -> Fleet:
    """Workers that are kept alive; tests one after the other have the same."""
    return shifts.present(stack)


@pytest.fixture(scope="session")
def shifts(shared_stack: Stack) -> Iterator[Shifts]:
    made = Shifts()
    yield made
    made.end()


@pytest.fixture
def load(stack: Stack) -> Load:
    return Load(stack.web, stack.key, stack.database_url)


@pytest.fixture
def ledger(stack: Stack, load: Load) -> Ledger:
    return Ledger(stack, load)
