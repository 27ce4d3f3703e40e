"""The stack that these tests share, and the seed that repeats a test."""

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
    """The current fleet of the shared stack, if any."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None

    def present(self, stack: Stack) -> Fleet:
        """The current fleet, or a new one; ready."""
        if self._fleet is None:
            self._fleet = stack.fleet()
            self._fleet.start()
        self._fleet.wait_until_ready()
        return self._fleet

    def end(self) -> None:
        """Stop the current fleet."""
        if self._fleet is not None:
            self._fleet.stop()
            self._fleet = None


@pytest.fixture(scope="session")
def profile() -> Profile:
    """The chosen profile."""
    return chosen()


@pytest.fixture
def rng(profile: Profile, request: pytest.FixtureRequest) -> random.Random:
    """A test's random numbers; a failed test prints the seed."""
    seed = f"{profile.seed}:{request.node.name}"
    sys.stdout.write(f"repeat with CHAOS_PROFILE={profile.name} CHAOS_SEED={profile.seed}\n")
    return random.Random(seed)


@pytest.fixture(scope="session")
def report(profile: Profile) -> Report:
    """Collects the figures of all tests, and writes them to the file CHAOS_REPORT, if set."""
    return Report(profile)


@pytest.fixture(scope="session")
def shared_stack(profile: Profile) -> Iterator[Stack]:
    with Stack(profile) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The shared stack, maybe without workers; faults are removed after the test."""
    yield shared_stack
    shared_stack.set_faults()
    shared_stack.redis().flushall()


@pytest.fixture
def idle_stack(stack: Stack, shifts: Shifts) -> Stack:
    """The shared stack without workers: the test starts its own."""
    shifts.end()
    return stack


@pytest.fixture
def fleet(stack: Stack, shifts: Shifts) -> Fleet:
    """Workers that are restarted when they die; consecutive tests share them."""
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
