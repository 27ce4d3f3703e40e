"""Budgets in simulated worlds: whatever fails, what is reserved and settled is the jobs' sum."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random

import pytest

from ..budgets import MOST, budgeted, used
from .conftest import MakeJob, read
from .protocol import World
from .test_protocol import SEED


@pytest.fixture(autouse=True)
def budget(quiet: None) -> Iterator[None]:
    """Every user of these tests has a budget."""
    with budgeted():
        yield


class SpendWorld(World):
    """A world whose user has a budget."""

    external_id = ""

    def check(self) -> None:
        """Check also that what is reserved and settled is the sum over the jobs."""
        super().check()
        jobs = [read(job_id) for job_id in self.jobs]
        reserved = sum(job.reserved_usd or Decimal(0) for job in jobs)
        settled = sum(job.cost_usd for job in jobs if job.reserved_usd is None)
        assert all((job.reserved_usd is None) == (job.slot is None) for job in jobs), self.story
        assert used(self.external_id) == (reserved, settled), self.story


@pytest.mark.no_cover
@pytest.mark.parametrize("number", range(4))
def test_whatever_fails_nothing_stays_reserved(
    number: int, make_job: MakeJob, external_id: str
) -> None:
    world = SpendWorld(Random(SEED + number), [make_job() for _ in range(3)])
    world.external_id = external_id
    assert used(external_id) == (3 * MOST, 0)
    for _ in range(70):
        world.step()
    world.calm_down()
    spent = sum(read(job_id).cost_usd for job_id in world.jobs)
    assert used(external_id) == (0, spent)
