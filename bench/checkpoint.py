"""What a fenced begin and checkpoint cost in CPU, in this process and in PostgreSQL together.

The baseline is one bare UPDATE of one column by psycopg, in a transaction of its own.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg

from bench.cpu import spent_s
from config.settings import get_settings
from deploy.embedded.backends import Backends
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin, checkpoint
from models.schema import upgrade
from models.session import unit_of_work
from models.stage_record import StageRecord
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

JOBS = 500
RECORD = StageRecord(status="completed", ms=3, intent="coding", confidence=0.93, cached=False)


def main() -> None:
    """Measure, print, clean up."""
    home = Path(tempfile.mkdtemp(prefix="trimind-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        with Backends(home, {"EMBEDDED_MODEL_URL": "http://127.0.0.1:9"}) as backends:
            os.environ.update(backends.environment())
            upgrade()
            postgres = backends.pid("postgres")
            assert postgres is not None, "PostgreSQL does not run"
            _measure(postgres)
    finally:
        shutil.rmtree(home)


def _measure(postgres: int) -> None:
    with unit_of_work() as session:
        user = get_or_create_user(session, "bench")
    jobs = [_accepted(user) for _ in range(JOBS)]
    bare = _cpu_ms(postgres, lambda: _bare_updates(jobs))
    _advance(jobs[:50], "intent")  # the first ones compile the statements
    fenced = _cpu_ms(postgres, lambda: _advance(jobs[50:], "intent"))
    per_begin_and_checkpoint = fenced / (JOBS - 50)
    print(f"bare UPDATE                 {bare / JOBS:6.3f} ms of CPU")
    print(f"begin + checkpoint          {per_begin_and_checkpoint:6.3f} ms of CPU")
    print(f"one fenced transition       {per_begin_and_checkpoint / 2:6.3f} ms of CPU")
    print(f"ratio to the bare UPDATE    {per_begin_and_checkpoint / 2 / (bare / JOBS):6.2f}")


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
    url = get_settings().database_url.get_secret_value().replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        for job_id in jobs:
            connection.execute("UPDATE jobs SET attempts = 0 WHERE id = %s", (job_id,))


def _cpu_ms(postgres: int, work: Callable[[], None]) -> float:
    before = spent_s([postgres]) + time.process_time()
    began = time.monotonic()
    work()
    print(f"  ({time.monotonic() - began:.2f} s)")
    return (spent_s([postgres]) + time.process_time() - before) * 1000


if __name__ == "__main__":
    main()
