"""During a rolling release, workers of the release before meet jobs that are held, or in a lane.

The statements in capitals are theirs.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, text

import models
from models.ids import new_id
from models.jobs import BULK, FIRST, Job
from models.lifecycle.survey import survey
from models.schema import upgrade
from models.session import get_engine, unit_of_work
from tasks.worker.reconciler import reconcile_ends

from ..conftest import MakeJob, read

INSERT = """
INSERT INTO jobs (id, user_id, conversation_id, message_id, mind, metadata, options, status, stage,
    slot, epoch, queue_lease_until, queue_lease_s, attempts, starts, crash_count, expires_at,
    stages, input_tokens, output_tokens, tokens_saved, cost_usd, paid_duplicates, sequence,
    restarts)
SELECT :id, user_id, conversation_id, message_id, 'muse', '{}', '{}', 'queued', 'intent',
    'queued', 1, clock_timestamp() + interval '30 s', 30, 0, 0, 0, expires_at,
    '{}', 0, 0, 0, 0, 0, 1, 0
FROM jobs WHERE id = :sibling
"""
BEGIN = """
UPDATE jobs SET status = 'in_progress', slot = 'running', run_token = :token,
    lease_until = clock_timestamp() + interval '30 s', queue_lease_until = NULL,
    starts = starts + 1, started_at = coalesce(started_at, clock_timestamp()),
    sequence = sequence + 1
FROM messages
WHERE jobs.id = :id AND epoch = 1 AND stage = 'intent' AND coalesce(slot, '') = 'queued'
    AND expires_at > clock_timestamp() AND messages.id = jobs.message_id
"""
END = """
UPDATE jobs SET status = 'completed', slot = NULL, completed_at = clock_timestamp(),
    queue_lease_until = NULL, next_attempt_at = NULL, run_token = NULL, lease_until = NULL,
    stage = 'persist', answer = 'An answer.'
WHERE id = :id AND epoch = 1 AND run_token = :token AND slot = 'running'
"""
RELEASE = """
UPDATE jobs SET slot = 'queued', queue_lease_until = clock_timestamp() + interval '30 s'
FROM messages
WHERE messages.id = jobs.message_id AND slot = 'blocked' AND jobs.id IN (
    SELECT DISTINCT ON (blocked.conversation_id, blocked.mind) blocked.id FROM jobs AS blocked
    WHERE blocked.slot = 'blocked' AND blocked.conversation_id =
        (SELECT conversation_id FROM jobs WHERE id = :id)
    AND blocked.completed_at IS NULL AND NOT EXISTS (
        SELECT FROM jobs AS ahead
        WHERE ahead.conversation_id = blocked.conversation_id AND ahead.mind = blocked.mind
            AND ahead.slot IN ('queued', 'running', 'waiting') AND ahead.completed_at IS NULL)
    ORDER BY blocked.conversation_id, blocked.mind, blocked.created_at, blocked.id)
"""
TAKE_DUE = """
UPDATE jobs SET slot = 'queued', next_attempt_at = NULL, queue_lease_s = queue_lease_s * 2,
    queue_lease_until = clock_timestamp() + make_interval(secs => queue_lease_s * 2)
WHERE (slot = 'queued' AND queue_lease_until <= clock_timestamp()
    OR slot = 'waiting' AND next_attempt_at <= clock_timestamp()) AND slot IS NOT NULL
"""
END_OVERDUE = """
UPDATE jobs SET status = 'expired', slot = NULL, completed_at = clock_timestamp(),
    queue_lease_until = NULL, next_attempt_at = NULL
WHERE slot IN ('queued', 'waiting', 'blocked') AND expires_at <= clock_timestamp()
"""
CANCEL = """
UPDATE jobs SET status = 'cancelled', slot = NULL, completed_at = clock_timestamp(),
    queue_lease_until = NULL, next_attempt_at = NULL, run_token = NULL, lease_until = NULL
WHERE id = :id AND slot IS NOT NULL
"""
SLOTS = text("SELECT slot FROM jobs WHERE id = ANY(:ids) ORDER BY id")

Execute = Callable[..., int]
Share = Callable[[int], None]


@pytest.fixture(autouse=True)
def none_before(backends: Mapping[str, str]) -> Iterator[None]:
    """No unfinished job is left of an earlier test, nor by these."""
    with unit_of_work() as session:
        session.execute(delete(Job))
    yield
    with unit_of_work() as session:
        session.execute(delete(Job))


@pytest.fixture
def execute(backends: Mapping[str, str]) -> Execute:
    """`execute(statement, name=value, …)`: run a transaction; the number of rows it hit."""

    def run(statement: str, **values: object) -> int:
        with get_engine().begin() as connection:
            return connection.execute(text(statement), values).rowcount

    return run


@pytest.fixture
def downgrade(backends: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """`downgrade()`: to the schema of the release before; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    yield lambda: command.downgrade(config, "0016")
    upgrade()


def slots(jobs: list[str]) -> list[str | None]:
    with get_engine().connect() as connection:
        return [slot for (slot,) in connection.execute(SLOTS, {"ids": jobs})]


def run_to_its_end(execute: Execute, job_id: str) -> int:
    """Begin and complete a job as the release before does."""
    token = uuid4()
    begun = execute(BEGIN, id=job_id, token=token)
    ended = execute(END, id=job_id, token=token)
    execute(RELEASE, id=job_id)
    assert begun == ended
    return ended


def test_an_older_worker_runs_what_is_queued_and_leaves_what_is_held(
    make_job: MakeJob, share: Share, execute: Execute
) -> None:
    share(2)
    jobs = [make_job() for _ in range(4)]
    assert slots(jobs) == ["queued", "queued", "held", "held"]
    assert [run_to_its_end(execute, job) for job in jobs] == [1, 1, 0, 0]
    assert execute(TAKE_DUE) == 0
    assert slots(jobs) == [None, None, "held", "held"]


def test_this_releases_reconciler_releases_what_an_older_worker_has_left(
    make_job: MakeJob, share: Share, execute: Execute
) -> None:
    share(2)
    jobs = [make_job() for _ in range(5)]
    for job in jobs[:2]:
        run_to_its_end(execute, job)
    assert survey().stray
    reconcile_ends(reap=False)
    assert slots(jobs) == [None, None, "queued", "queued", "held"]
    assert not survey().stray


def test_a_job_that_an_older_process_accepts_counts_and_goes_first(
    make_job: MakeJob, share: Share, execute: Execute
) -> None:
    share(2)
    first = make_job()
    older = new_id("job")
    assert execute(INSERT, id=older, sibling=first) == 1
    assert read(older).lane == FIRST
    held = make_job()
    assert read(held).slot == "held"
    assert run_to_its_end(execute, older) == 1
    reconcile_ends(reap=False)
    assert slots([first, held]) == ["queued", "queued"]


def test_a_job_keeps_its_lane_whoever_runs_it(make_job: MakeJob, execute: Execute) -> None:
    bulk = make_job(priority="bulk")
    assert execute(BEGIN, id=bulk, token=uuid4()) == 1
    assert read(bulk).lane == BULK


def test_a_held_job_that_no_older_reconciler_ends_in_time_is_ended_by_this_one(
    make_job: MakeJob, share: Share, execute: Execute
) -> None:
    share(1)
    queued, held = make_job(), make_job()
    execute("UPDATE jobs SET expires_at = clock_timestamp() WHERE id = :id", id=held)
    assert execute(END_OVERDUE) == 0
    reconcile_ends(reap=False)
    assert (slots([queued, held]), read(held).status) == (["queued", None], "expired")


def test_what_is_held_is_queued_by_the_way_back_and_nothing_is_lost(
    make_job: MakeJob, share: Share, execute: Execute, downgrade: Callable[[], None]
) -> None:
    share(1)
    jobs = [make_job(priority="bulk") for _ in range(3)]
    assert slots(jobs) == ["queued", "held", "held"]

    downgrade()

    assert slots(jobs) == ["queued"] * 3
    assert execute(TAKE_DUE) == 2  # those whose messages were never published
    assert run_to_its_end(execute, jobs[1]) == 1

    upgrade()

    assert slots(jobs) == ["queued", None, "queued"]
    assert read(jobs[2]).lane == FIRST
    assert read(make_job()).slot == "held"


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_left_behind_whichever_release_acts(
    make_job: MakeJob, share: Share, execute: Execute, seed: int
) -> None:
    share(2)
    rng, jobs = Random(seed), [make_job()]
    for _ in range(30):
        job = rng.choice(jobs)
        action = rng.randrange(5)
        if action == 0 and len(jobs) < 12:
            other = rng.choice(jobs) if rng.random() < 0.3 else None
            more = {} if other is None else {"conversation_id": read(other).conversation_id}
            jobs.append(make_job(priority=rng.choice(("interactive", "bulk")), **more))
        elif action == 1:
            execute(CANCEL, id=job)
            execute(RELEASE, id=job)
        elif action == 2:
            reconcile_ends(reap=False)
        else:
            run_to_its_end(execute, job)
    for _ in jobs:
        reconcile_ends(reap=False)
        for job in jobs:
            run_to_its_end(execute, job)
    assert slots(jobs) == [None] * len(jobs)
    assert {read(job).status for job in jobs} <= {"completed", "cancelled"}
