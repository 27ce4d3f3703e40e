"""What a fenced begin and checkpoint cost in CPU, in this process and in PostgreSQL together.

The baseline is one bare UPDATE of one column by psycopg, in a transaction of its own.
"""

import time
from collections.abc import Callable
from uuid import uuid4

import psycopg

from bench.database import database, url
from bench.figures import figure, ratio
from bench.processes import spent_s
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin, checkpoint
from models.session import unit_of_work
from models.stage_record import StageRecord
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

JOBS = 500
RECORD = StageRecord(status="completed", ms=3, intent="coding", confidence=0.93, cached=False)


def main() -> None:
    """Measure, print, clean up."""
    with database() as backends:
        postgres = backends.pid("postgres")
        assert postgres is not None, "PostgreSQL does not run"
        _measure(postgres)


def _measure(postgres: int) -> None:
    with unit_of_work() as session:
        user = get_or_create_user(session, "bench")
    jobs = [_accepted(user) for _ in range(JOBS)]
    bare = _cpu_ms(postgres, lambda: _bare_updates(jobs))
    _advance(jobs[:50], "intent")  # the first ones compile the statements
    fenced = _cpu_ms(postgres, lambda: _advance(jobs[50:], "intent"))
    per_begin_and_checkpoint = fenced / (JOBS - 50)
    figure("bare UPDATE", bare / JOBS, "ms of CPU", digits=3)
    figure("begin + checkpoint", per_begin_and_checkpoint, "ms of CPU", digits=3)
    figure("one fenced transition", per_begin_and_checkpoint / 2, "ms of CPU", digits=3)
    ratio("to the bare UPDATE", per_begin_and_checkpoint / 2, bare / JOBS)


def _accepted(user: str) -> str:
    with unit_of_work() as session:
        return accept(session, Submission(user, "What does a checkpoint cost?")).id


def _advance(jobs: list[str], stage: str) -> None:
    for job_id in jobs:
        fence = Fence(job_id, 1, stage, uuid4())
        with unit_of_work() as session:
            begin(session, fence)
        with unit_of_work() as session:
            checkpoint(session, fence, RECORD, {"intent": "coding"})


def _bare_updates(jobs: list[str]) -> None:
    with psycopg.connect(url(), autocommit=True) as connection:
        for job_id in jobs:
            connection.execute("UPDATE jobs SET attempts = 0 WHERE id = %s", (job_id,))


def _cpu_ms(postgres: int, work: Callable[[], None]) -> float:
    before = spent_s([postgres]) + time.process_time()
    work()
    return (spent_s([postgres]) + time.process_time() - before) * 1000


if __name__ == "__main__":
    main()
