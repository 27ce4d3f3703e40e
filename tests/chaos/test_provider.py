"""Fault 9: the provider rate-limits, fails, hangs, breaks off, and sends nonsense."""

import time
from random import Random

from tasks.policies import GENERATE

from .ledger import Ledger
from .load import Load
from .profiles import Profile
from .report import Report
from .stack import Stack
from .waiting import wait_for
from .workers import Fleet

MIXED = {"answer": 8, "limited": 1, "error": 1, "cut": 1, "truncated": 1, "malformed": 1}
PER_JOB = 2
WINDOW_S = GENERATE.breaker.reset_s
# From here on the breaker is certainly open: calls that were under way have ended.
OPEN_AFTER_S = 5.0
QUIET = 0.7


def test_a_provider_with_every_fault_is_outlasted_within_the_budget(
    stack: Stack,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(
        seed=profile.seed,
        latency_s=[0.02, 0.1],
        weights=MIXED | {"hang": 1},
        faults_per_job=PER_JOB,
    )
    load.run(profile.jobs // 2, profile.in_flight)
    wait_for(lambda: len(stack.calls()) > profile.jobs // 4, 60, "calls")
    stack.set_faults(seed=profile.seed, weights=MIXED, faults_per_job=PER_JOB)  # hanging calls end
    ledger.settle(profile.patience_s + 2 * WINDOW_S)
    counts = ledger.close()
    calls = sum(len(entry.calls) for entry in ledger.entries().values())
    report.add("a provider with every fault", counts, calls=calls)
    # Each job's answer, and the faults that it was dealt, before and after the change.
    assert calls <= counts["accepted"] * (1 + 2 * PER_JOB) + counts["paid_twice"]
    assert counts["completed"] == counts["accepted"]


def test_a_provider_that_is_down_is_probed_once_a_window_by_the_whole_fleet(
    stack: Stack,
    fleet: Fleet,
    load: Load,
    ledger: Ledger,
    rng: Random,
    profile: Profile,
    report: Report,
) -> None:
    stack.set_faults(latency_s=[0.01, 0.05], weights={"error": 1}, faults_per_job=10_000)
    before = len(stack.calls())
    load.run(profile.jobs // 2)

    def calls() -> list[float]:
        return [float(str(call["at"])) for call in stack.calls()[before:]]

    wait_for(calls, 30, "a first call")
    opened = calls()[0] + OPEN_AFTER_S
    seen = opened
    for _ in range(profile.windows):
        wait_for(lambda since=seen: calls()[-1] > since, 2 * WINDOW_S, "a probe")
        first = min(at for at in calls() if at > seen)
        seen = first + WINDOW_S * QUIET
        wait_for(lambda until=seen: time.time() > until, WINDOW_S, "most of the window")
        made = [at for at in calls() if first <= at <= seen]
        # A probe is one call with its quick retries; no other call may come in its window.
        assert len(made) <= GENERATE.quick_tries
    stack.set_faults()
    probes = [at for at in calls() if opened < at <= seen]
    made = [at for at in calls() if at <= seen]
    rush = len(made) - len(probes)
    ledger.settle(profile.patience_s + 3 * WINDOW_S)
    report.add("a provider that is down", ledger.close(), calls_until_open=rush, probes=len(probes))
    threads = len(fleet.workers) * profile.threads
    assert rush <= GENERATE.quick_tries * (GENERATE.breaker.failures + threads)
