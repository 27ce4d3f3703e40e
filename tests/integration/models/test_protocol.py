"""The rules of a job's transitions, checked in simulated worlds on the real SQL.

TRIMIND_WORLDS and TRIMIND_WORLD_SEED set the number of worlds and their seed.
"""

import os
import sys
from collections.abc import Callable
from random import Random

import pytest

from .conftest import MakeJob
from .protocol import World
from .share_world import ShareWorld
from .track_world import FATES, TrackWorld

WORLDS = int(os.environ.get("TRIMIND_WORLDS", "60"))
SEED = int(os.environ.get("TRIMIND_WORLD_SEED", "20260401"))
BATCHES = 6
STEPS = 70
JOBS = 3


# They run the same lines thousands of times, which other tests cover.
pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize("batch", range(BATCHES))
def test_whatever_fails_every_job_ends_once_with_one_answer_at_most(
    batch: int, make_job: MakeJob
) -> None:
    ends: set[str] = set()
    worlds = range(batch, WORLDS, BATCHES)
    for number in worlds:
        world = World(Random(SEED + number), [make_job() for _ in range(JOBS)])
        sys.stdout.write(f"repeat with TRIMIND_WORLD_SEED={SEED + number} TRIMIND_WORLDS=1\n")
        for _ in range(STEPS):
            world.step()
        world.calm_down()
        ends |= {row.status for row in world.ended.values()}
    assert "completed" in ends or len(worlds) < 2


@pytest.mark.parametrize("fate", FATES)
def test_whatever_fails_the_jobs_of_a_track_are_done_one_by_one_in_their_order(
    fate: str, make_job: MakeJob
) -> None:
    ends: set[str] = set()
    worlds = range(FATES.index(fate), WORLDS, len(FATES))
    for number in worlds:
        world = TrackWorld(Random(SEED + number), make_job)
        sys.stdout.write(f"repeat with TRIMIND_WORLD_SEED={SEED + number} TRIMIND_WORLDS=1\n")
        for _ in range(STEPS):
            world.step()
        world.meet(fate)
        world.calm_down()
        ends |= {row.status for row in world.ended.values()}
    assert "completed" in ends or len(worlds) < 10


@pytest.mark.parametrize("jobs_in_flight", [1, 2, 3])
def test_whatever_fails_jobs_beyond_a_share_are_held_and_released(
    jobs_in_flight: int, make_job: MakeJob, share: Callable[[int], None]
) -> None:
    share(jobs_in_flight)
    ends: set[str] = set()
    worlds = range(jobs_in_flight, WORLDS, 4)
    for number in worlds:
        world = ShareWorld(Random(SEED + number), make_job, jobs_in_flight)
        sys.stdout.write(f"repeat with TRIMIND_WORLD_SEED={SEED + number} TRIMIND_WORLDS=4\n")
        for _ in range(STEPS):
            world.step()
        world.calm_down()
        ends |= {row.status for row in world.ended.values()}
    assert "completed" in ends or len(worlds) < 10
