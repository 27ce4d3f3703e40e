"""How long each call of the operators' board takes with 100,000 and 200,000 jobs in the tables.

All of them ended within the last day, most with an answer, or are queued; the few that ended
otherwise are the oldest. The calls run in this process, so the figures are those of the web
process and of PostgreSQL, without HTTP.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Final

import psycopg
from flask.testing import FlaskClient

from app.factory import create_app
from app.ops.board import read_board
from bench.database import database, url
from bench.figures import fail_above, figure, group, p99
from bench.rows import FEW, MANY, fill
from config.logging import configure_logging
from config.settings import get_settings
from models.job_minutes import store_minutes
from models.session import unit_of_work

SIZES: Final = (100_000, 200_000)
REPEATS: Final = 20
LIMIT_MS: Final = 100.0
COMMAND: Final = (sys.executable, "-m", "bench.board")
# Of each size: the newest part is queued, the oldest ended without an answer.
QUEUED: Final = 0.1
UNANSWERED: Final = 0.001
STAGE: Final = '{"status": "completed", "ms": 120, "began": 1, "ended": 2}'
STAGES: Final = ", ".join(f'"{name}": {STAGE}' for name in ("intent", "compress", "generate"))
SPREAD: Final = f"""
UPDATE jobs SET
    created_at = now() - age, started_at = now() - age, stages = '{{{STAGES}}}',
    completed_at = CASE WHEN share < %(queued)s THEN NULL ELSE now() - age END,
    slot = CASE WHEN share < %(queued)s THEN 'queued' END,
    queue_lease_until = CASE WHEN share < %(queued)s THEN now() + interval '1 hour' END,
    status = CASE WHEN share < %(queued)s THEN 'queued' WHEN share <= %(answered)s THEN 'completed'
        ELSE (ARRAY['failed', 'cancelled'])[1 + number %% 2] END,
    error = CASE WHEN share > %(answered)s AND number %% 2 = 0
        THEN '{{"code": "no_model", "message": "None."}}'::jsonb END,
    cost_usd = 0.000123
FROM (SELECT of.id, number, number / %(jobs)s::float AS share,
        interval '23 hours' * (number / %(jobs)s::float) AS age
    FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS number FROM jobs) of) numbered
WHERE numbered.id = jobs.id
"""

Call = Callable[[], object]


def main() -> None:
    """Measure each size in a process and a database of its own, or the one that is given."""
    if len(sys.argv) > 1:
        fail_above(LIMIT_MS, "a median", _of_size(int(sys.argv[1])))
        return
    failed = [subprocess.run([*COMMAND, str(jobs)]).returncode for jobs in SIZES]
    sys.exit(any(failed))


def _of_size(jobs: int) -> float:
    with database():
        configure_logging("WARNING")
        fill(url(), jobs)
        _spread(jobs)
        group(f"{jobs:,} jobs")
        client = _operator()
        client.get("/v1/board/jobs")  # connections, imports
        # The workers do this every minute; here, at once for a whole day.
        figure("a day's minutes, stored by a worker", _time_of(_store_minutes), "ms")
        print("| call | p50 ms | p99 ms |\n| --- | --- | --- |")
        return max(_measure(name, call) for name, call in _calls(client, jobs))


def _operator() -> FlaskClient:
    client = create_app().test_client()
    secret = get_settings().shared_secret.get_secret_value()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    client.environ_base["HTTP_X_TRIMIND_USER"] = "operator"
    return client


def _store_minutes() -> None:
    with unit_of_work() as session:
        store_minutes(session)


def _spread(jobs: int) -> None:
    answered = 1 - UNANSWERED
    with psycopg.connect(url(), autocommit=True) as connection:
        connection.execute(SPREAD, {"jobs": jobs, "queued": QUEUED, "answered": answered})
        connection.execute("VACUUM (ANALYZE)")


def _measure(name: str, call: Call) -> float:
    """Print the median and the p99 of a call; returns the median, in milliseconds."""
    took = [_time_of(call) for _ in range(REPEATS)]
    print(f"| {name} | {median(took):.1f} | {p99(took):.1f} |", flush=True)
    return median(took)


def _time_of(call: Call) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _calls(client: FlaskClient, jobs: int) -> Iterator[tuple[str, Call]]:
    yield "the board", read_board
    for name, query in _queries(jobs):
        yield name, partial(_get, client, f"/v1/board/jobs?{query}")
    queued = map(_id, range(jobs - 1, 0, -1))
    yield "a job", lambda: _get(client, f"/v1/board/jobs/{_id(jobs // 2)}")
    # Each time of another job; a cancelled one can be retried.
    cancelled: list[str] = []
    yield "dispatch", lambda: _post(client, next(queued), "dispatch")
    yield "cancel", lambda: cancelled.append(_post(client, next(queued), "cancel"))
    yield "retry", lambda: _post(client, cancelled.pop(), "retry")


def _queries(jobs: int) -> Iterator[tuple[str, str]]:
    yield "jobs", "limit=20"
    yield "jobs, a hundred", "limit=100"
    yield "jobs, in the middle", f"limit=20&after={_id(jobs // 2)}"
    for status in ("queued", "in_progress", "completed", "failed", "cancelled", "expired"):
        yield f"jobs, {status}", f"status={status}"
    for what, q in (
        ("of a job", _id(17)),
        ("of a conversation", f"conv_{0:026}"),
        ("of a broadcast", f"bcast_{0:026}"),
        ("of a busy user", f"{MANY}"),
        ("of a user with few", f"{FEW}"),
        ("of nobody", "nobody"),
    ):
        yield f"jobs {what}", f"q={q}"
    for status in ("queued", "completed", "failed", "expired"):
        yield f"jobs of a busy user, {status}", f"status={status}&q={MANY}"


def _id(number: int) -> str:
    return f"job_{number:026}"


def _get(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text


def _post(client: FlaskClient, job_id: str, what: str) -> str:
    answer = client.post(f"/v1/board/jobs/{job_id}/{what}")
    assert answer.status_code == 200, answer.text
    return job_id


if __name__ == "__main__":
    main()
