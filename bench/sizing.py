"""What an installation needs for a number of jobs a day, and what breaks first: computed from the
costs that were measured, and from a simulation of queues and reconciler (`simulation.py`).

Nothing is started and nothing is measured here. The figures of `docs/sizing.md` are this program's.
"""

import math
from collections.abc import Iterator
from typing import Final

from bench.simulation import Costs, Course, Pace, System, Trouble

DAY_S: Final = 86_400
JOBS_A_DAY: Final = (1_000_000, 10_000_000, 100_000_000)
IN_FLIGHT: Final = (100, 1_000, 10_000)
# The busiest second of a day, in multiples of its mean.
PEAK: Final = 2.0
# Both calls of a job together.
CALLS_S: Final = 5.0
# How busy a core may be at the peak, so that a burst or a lost host changes no latency.
BUSY: Final = 0.6
# Of the tables with their indexes, and of the log that a replica receives, in kB a job with 900
# characters: 500 jobs of the side-by-side benchmark.
STORED_KB: Final = 10.0
LOGGED_KB: Final = 16.0

COSTS: Final = Costs()
PACE: Final = Pace()
TROUBLES: Final = (
    Trouble("Redis unavailable for a minute", away_s=60),
    Trouble("Redis unavailable for ten minutes", away_s=600),
    Trouble("half of the workers die", dead_part=0.5),
)


def main() -> None:
    """Print the tables."""
    _print("What each part carries", ("part", "jobs/s", "jobs a day"), _limits())
    _print("Jobs a day", ("", *(f"{jobs:,}" for jobs in JOBS_A_DAY)), _sizes())
    _print("Jobs in flight", ("", *(f"{number:,}" for number in IN_FLIGHT)), _in_flight_sizes())
    heads = ("jobs a day", "trouble", "longest queue", "published again", "recovered", "expired")
    _print("Troubles at the peak", heads, _troubles())


def worker_processes(jobs_s: float) -> int:
    """How many worker processes carry so many jobs a second: by their cores, or by threads."""
    by_core = jobs_s * COSTS.worker / 1000 / BUSY
    by_threads = jobs_s * CALLS_S / PACE.threads / BUSY
    return max(1, math.ceil(max(by_core, by_threads)))


def cores(ms: float, jobs_s: float) -> int:
    """How many cores carry so many jobs a second that take so many ms of CPU each."""
    return max(1, math.ceil(jobs_s * ms / 1000 / BUSY))


def _limits() -> Iterator[tuple[str, ...]]:
    """The slowest first, each as it is without a second one."""
    found = {
        f"the threads of a worker process ({PACE.threads}; calls of {CALLS_S:.0f} s)": PACE.threads
        / CALLS_S,
        "the core of a worker process": 1000 / COSTS.worker,
        "the core of a web process": 1000 / COSTS.web,
        "a core of PostgreSQL": 1000 / COSTS.postgres,
        "Flower": 1000 / COSTS.flower,
        "Redis": 1000 / COSTS.redis,
        "retention": PACE.expired_at_once / PACE.sweep_every_s,
        "the reconciler, of jobs whose message was lost": PACE.batches
        * PACE.reconciled_at_once
        / PACE.reconcile_every_s,
    }
    for name, jobs_s in sorted(found.items(), key=lambda each: each[1]):
        yield name, f"{jobs_s:,.0f}", f"{jobs_s * DAY_S / 1e6:,.1f} million"


def _sizes() -> Iterator[tuple[str, ...]]:
    peaks = [jobs / DAY_S * PEAK for jobs in JOBS_A_DAY]
    workers = [worker_processes(peak) for peak in peaks]
    webs = [cores(COSTS.web, peak) for peak in peaks]
    yield "jobs/s, mean", *(f"{peak / PEAK:,.0f}" for peak in peaks)
    yield "jobs/s, peak", *(f"{peak:,.0f}" for peak in peaks)
    yield "in flight at the peak", *(f"{peak * CALLS_S:,.0f}" for peak in peaks)
    yield "web processes", *(f"{number:,}" for number in webs)
    yield "worker processes", *(f"{number:,}" for number in workers)
    yield "cores of PostgreSQL", *(f"{cores(COSTS.postgres, peak):,}" for peak in peaks)
    connections = [
        (each + more) * PACE.connections_a_process for each, more in zip(workers, webs, strict=True)
    ]
    yield "connections to PostgreSQL, at most", *(f"{number:,}" for number in connections)
    yield "cores of Redis", *(f"{peak * COSTS.redis / 1000 / BUSY:,.2f}" for peak in peaks)
    yield "cores of Flower", *(f"{peak * COSTS.flower / 1000 / BUSY:,.2f}" for peak in peaks)
    looks = [COSTS.look + COSTS.look_per_job * peak * CALLS_S for peak in peaks]
    yield "a look of the reconciler, ms", *(f"{look:,.0f}" for look in looks)
    yield "stored in a day, GB", *(f"{jobs * STORED_KB / 1e6:,.0f}" for jobs in JOBS_A_DAY)
    yield (
        "log of PostgreSQL at the peak, MB/s",
        *(f"{each * LOGGED_KB / 1e3:,.1f}" for each in peaks),
    )


def _in_flight_sizes() -> Iterator[tuple[str, ...]]:
    rates = [number / CALLS_S for number in IN_FLIGHT]
    yield f"jobs/s, with calls of {CALLS_S:.0f} s", *(f"{rate:,.0f}" for rate in rates)
    yield "worker processes", *(f"{worker_processes(rate):,}" for rate in rates)
    yield "web processes", *(f"{cores(COSTS.web, rate):,}" for rate in rates)
    yield "cores of PostgreSQL", *(f"{cores(COSTS.postgres, rate):,}" for rate in rates)


def _troubles() -> Iterator[tuple[str, ...]]:
    for jobs in JOBS_A_DAY:
        for trouble in TROUBLES:
            course = course_of(jobs, trouble)
            back = course.recovered_s
            yield (
                f"{jobs:,}",
                trouble.name,
                f"{course.queued:,}",
                f"{course.again_s:,} s",
                "not within 3 hours" if back is None else f"{back:,} s",
                f"{course.expired:,}",
            )


def course_of(jobs_a_day: int, trouble: Trouble, pace: Pace = PACE) -> Course:
    """What comes of a trouble at the peak of a day."""
    peak = jobs_a_day / DAY_S * PEAK
    system = System(peak, worker_processes(peak), CALLS_S, pace)
    system.run(60)
    return system.suffer(trouble, within_s=3 * 3600)


def _print(title: str, heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    print(f"{title}\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)


if __name__ == "__main__":
    main()
