"""What a job costs with 100,000 finished jobs in the tables, against the same jobs without them.

A quarter of the finished jobs are one user's. A plain Celery task runs on the same servers first.
"""

from bench.figures import group, ratio
from bench.rows import JOBS as FINISHED
from bench.rows import fill
from bench.sides import (
    OURS,
    PLAIN,
    Costs,
    comparable,
    cost,
    our_processes,
    our_sender,
    plain_sender,
    plain_worker,
    print_costs,
)

JOBS = 200
PIECES = 10


def main() -> None:
    """Measure, print, clean up."""
    with comparable() as trimind:
        with plain_worker(trimind) as pids:
            plain = cost(trimind, pids, PIECES, JOBS, plain_sender(trimind), PLAIN)
        with our_processes(trimind) as pids:
            send = our_sender(trimind)
            empty = cost(trimind, pids, PIECES, JOBS, send, OURS)
            fill(trimind.database_url)
            full = cost(trimind, pids, PIECES, JOBS, send, OURS)
    group(f"{JOBS} jobs, with {FINISHED} finished ones and without")
    for what, costs in (("a plain task", plain), ("without", empty), ("with", full)):
        print_costs(what, costs)
    ratio("to the plain task, without", _all(empty), _all(plain))
    ratio("to the plain task, with", _all(full), _all(plain))
    ratio("of the two", _all(full), _all(empty))


def _all(costs: Costs) -> float:
    return sum(costs.values())


if __name__ == "__main__":
    main()
