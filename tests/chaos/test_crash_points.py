"""Fault 7: a worker dies before and after every commit, publish and acknowledgement."""

from itertools import product
from random import Random

from models.jobs import STAGES

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack
from .waiting import wait_for

COMMITS = ("begin", "checkpoint", "publish", "ack")
LAST = STAGES[-1]


def ways(stage: str, what: str) -> list[str]:
    """How jobs get to a commit. A worker that goes on with a job itself has nothing to publish,
    begins only the first stage by a commit of its own, and stores an answer with the checkpoint of
    generate. The last stage publishes nothing."""
    if what == "publish":
        return [] if stage == LAST else ["broker"]
    return ["local", "broker"] if what == "begin" or stage == LAST else ["local"]


POINTS = [
    (f"{stage}.{when}_{what}", hops)
    for stage, what, when in product(STAGES, COMMITS, ("before", "after"))
    for hops in ways(stage, what)
]


AT_ONCE = 6
# Slower than the workers: with a backlog of first stages, none reaches the last one.
REST_S = 1.0


def test_a_worker_may_die_at_every_point(
    idle_stack: Stack, load: Load, ledger: Ledger, rng: Random, profile: Profile, report: Report
) -> None:
    stack = idle_stack
    stack.set_faults(latency_s=[0.01, 0.02])
    with load.running(rest_s=REST_S):
        die_at_each(rng.sample(POINTS, len(POINTS)), stack)
    survivors = stack.fleet(1)
    survivors.start()
    try:
        ledger.settle(profile.patience_s)
    finally:
        survivors.stop()
    counts = ledger.close()
    report.add("a crash at every point", counts, points=len(POINTS))
    assert counts["given_up"] > 0


def die_at_each(points: list[tuple[str, str]], stack: Stack) -> None:
    """Run a few workers at a time, each armed with one failpoint, until all have died there."""
    armed: list[Armed] = []
    for point in points:
        wait_for(lambda: alive(armed) < AT_ONCE, 300, f"a death at one of {points}")
        armed.append(Armed(stack, *point))
    wait_for(lambda: alive(armed) == 0, 300, f"a death at each of {points}")
    for one in armed:
        assert one.once.exists(), f"it ended before {one.point}: {one.worker.log.read_text()}"


class Armed:
    """A worker that dies at one failpoint."""

    def __init__(self, stack: Stack, point: str, hops: str) -> None:
        self.point = point
        self.once = stack.home / f"crashed-at-{point}-{hops}"
        self.worker = stack.worker(
            CRASH_AT=point, CRASH_ONCE=str(self.once), WORKER_THREADS="2", STAGE_HOPS=hops
        ).start()


def alive(armed: "list[Armed]") -> int:
    """The number of workers that have not died yet."""
    return sum(one.worker.alive() for one in armed)
