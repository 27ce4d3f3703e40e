"""What a whole job costs in CPU, all processes together, against a plain Celery task.

The provider answers at once. Both sides call it twice for each job: for the intent, and for an
answer in 10 or in 120 pieces. The baseline (`bench.plain`) uses the same servers in the same run.
"""

from bench.figures import group, ratio
from bench.sides import (
    OURS,
    PLAIN,
    comparable,
    cost,
    our_processes,
    our_sender,
    plain_sender,
    plain_worker,
    print_costs,
)

JOBS = 200
PIECES = (10, 120)


def main() -> None:
    """Measure, print, clean up."""
    with comparable() as trimind:
        with plain_worker(trimind) as pids:
            send = plain_sender(trimind)
            theirs = [cost(trimind, pids, pieces, JOBS, send, PLAIN) for pieces in PIECES]
        with our_processes(trimind) as pids:
            send = our_sender(trimind)
            ours = [cost(trimind, pids, pieces, JOBS, send, OURS) for pieces in PIECES]
    for pieces, our, their in zip(PIECES, ours, theirs, strict=True):
        group(f"{pieces} pieces: {JOBS} jobs")
        print_costs("the whole stack", our)
        print_costs("a plain task", their)
        ratio("to the plain task", sum(our.values()), sum(their.values()))


if __name__ == "__main__":
    main()
