"""During a rolling release, processes of the release before work on the same rows.

The statements in capitals are theirs.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Protocol

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text, update

import models
from models.counters import count, counters
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.lifecycle.fence import now
from models.lifecycle.reconciliation import MAX_CRASHES, reap_expired_leases
from models.lifecycle.transitions import checkpoint
from models.schema import upgrade
from models.session import get_engine, unit_of_work
from models.stage_record import StageRecord
from tasks.worker.reconciler import reconcile_ends

from ..conftest import MakeJob, own, read

MANY = 10_000
AT_ONCE = timedelta(0)
DONE = StageRecord(status="completed", ms=1)
INSERT = """
INSERT INTO jobs (id, user_id, conversation_id, message_id, mind, metadata, options, status, stage,
    slot, epoch, queue_lease_until, queue_lease_s, attempts, starts, deaths, expires_at, stages,
    input_tokens, output_tokens, tokens_saved, cost_usd, paid_duplicates, sequence, restarts)
SELECT :id, user_id, conversation_id, message_id, mind, '{}', '{}', 'queued', 'intent',
    'behind', 1, NULL, 30, 0, 0, :deaths, expires_at, '{}', 0, 0, 0, 0, 0, 1, 0
FROM jobs WHERE id = :sibling
"""
END = """
UPDATE jobs SET status = 'cancelled', slot = NULL, completed_at = clock_timestamp(),
    queue_lease_until = NULL, next_attempt_at = NULL, run_token = NULL, lease_until = NULL
WHERE id = :id
"""
RELEASE = """
UPDATE jobs SET slot = 'queued', queue_lease_until = clock_timestamp()
WHERE conversation_id = :conversation_id AND slot = 'behind'
"""
REAP = "UPDATE jobs SET deaths = deaths + 1 WHERE id = :id AND deaths + 1 < 5"
CHECKPOINT = "UPDATE jobs SET deaths = 0 WHERE id = :id"
COUNT = """
INSERT INTO counters (name, label, value) VALUES ('reconciled', :label, :by)
ON CONFLICT (name, label) DO UPDATE SET value = counters.value + :by
"""


class Execute(Protocol):
    """`execute(statement, name=value, …)`: run a transaction; the number of rows it hit."""

    def __call__(self, statement: str, **values: object) -> int: ...


@pytest.fixture
def execute(backends: Mapping[str, str]) -> Execute:
    def run(statement: str, **values: object) -> int:
        with get_engine().begin() as connection:
            return connection.execute(text(statement), values).rowcount

    return run


@pytest.fixture
def downgrade(backends: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """`downgrade()`: to the schema of the release before; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    yield lambda: command.downgrade(config, "0009")
    upgrade()


@pytest.fixture
def blocked(make_job: MakeJob, execute: Execute) -> tuple[str, str]:
    """A job, and one that the release before has inserted as blocked by it."""
    first = make_job()
    execute(INSERT, id=f"{first}_2", sibling=first, deaths=0)
    return first, f"{first}_2"


def columns(job_id: str) -> tuple[int, int]:
    """The values of both columns."""
    found = text("SELECT crash_count, deaths FROM jobs WHERE id = :id")
    with get_engine().connect() as connection:
        crash_count, deaths = connection.execute(found, {"id": job_id}).one()
    return crash_count, deaths


def reconciled(label: str) -> int:
    with unit_of_work() as session:
        return counters(session).get(("reconciled", label), 0)


def test_what_a_job_has_lived_through_is_kept_in_both_directions(
    make_job: MakeJob, execute: Execute, downgrade: Callable[[], None]
) -> None:
    first = make_job()
    conversation_id = read(first).conversation_id
    crashed = reconciled("crashed")
    downgrade()
    execute(INSERT, id=f"{first}_2", sibling=first, deaths=2)
    execute(COUNT, label="dead", by=3)

    upgrade()

    assert read(f"{first}_2").slot == "blocked"
    assert columns(f"{first}_2") == (2, 2)
    assert (reconciled("crashed"), reconciled("dead")) == (crashed + 3, 0)

    downgrade()

    assert execute(RELEASE, conversation_id=conversation_id) == 1
    assert execute("UPDATE jobs SET deaths = 3 WHERE id = :id AND deaths = 2", id=f"{first}_2") == 1
    assert reconciled("dead") == crashed + 3

    upgrade()
    assert columns(f"{first}_2") == (3, 3)


def test_a_job_that_the_release_before_blocks_is_released_by_this_one(
    blocked: tuple[str, str],
) -> None:
    first, second = blocked
    assert read(second).slot == "blocked"
    with unit_of_work() as session:
        cancel(session, first)
    assert read(second).slot == "queued"


def test_a_job_that_the_release_before_does_not_release_is_released_by_the_reconciler(
    blocked: tuple[str, str], make_job: MakeJob, execute: Execute
) -> None:
    first, second = blocked
    conversation_id = read(first).conversation_id
    third = make_job("more", conversation_id=conversation_id)
    execute(END, id=first)
    assert execute(RELEASE, conversation_id=conversation_id) == 0  # else the third could be first
    before = reconciled("stranded")

    reconcile_ends(reap=False)

    assert (read(second).slot, read(third).slot) == ("queued", "blocked")
    assert reconciled("stranded") == before + 1


class Crashes:
    """One job whose runs crash and checkpoint, under this release and the one before."""

    def __init__(self, job_id: str, execute: Execute) -> None:
        self.id = job_id
        self.count = 0
        self._execute = execute

    def crash(self) -> None:
        job = read(self.id)
        own(self.id, job.stage, job.epoch)
        with unit_of_work() as session:
            session.execute(update(Job).where(Job.id == self.id).values(lease_until=now()))
            assert reap_expired_leases(session, MANY, AT_ONCE) == 1
        self.count += 1

    def crash_under_the_release_before(self) -> None:
        self.count += self._execute(REAP, id=self.id)

    def checkpoint(self) -> None:
        job = read(self.id)
        with unit_of_work() as session:
            assert checkpoint(session, own(self.id, job.stage, job.epoch), DONE, {})
        self.count = 0

    def checkpoint_under_the_release_before(self) -> None:
        self._execute(CHECKPOINT, id=self.id)
        self.count = 0


@pytest.mark.parametrize("seed", range(8))
def test_a_crash_is_counted_whichever_release_sees_it(
    make_job: MakeJob, execute: Execute, seed: int
) -> None:
    rng, job = Random(seed), Crashes(make_job(), execute)
    crashes = (job.crash, job.crash_under_the_release_before)
    checkpoints = [job.checkpoint, job.checkpoint, job.checkpoint_under_the_release_before]
    for _ in range(12):
        if job.count < MAX_CRASHES - 1 and rng.random() < 0.7:
            rng.choice(crashes)()
        elif checkpoints:
            checkpoints.pop(rng.randrange(len(checkpoints)))()
        assert columns(job.id) == (job.count, job.count)


def test_an_update_of_a_job_that_has_not_crashed_runs_no_trigger(
    make_job: MakeJob,
) -> None:
    job_id = make_job()
    runs = "EXPLAIN (ANALYZE, FORMAT JSON) UPDATE jobs SET crash_count = 0, slot = 'queued'"
    with get_engine().connect() as connection:
        [plan] = connection.execute(text(f"{runs} WHERE id = :id"), {"id": job_id}).scalar_one()
    assert "crash_count" not in {trigger["Trigger Name"] for trigger in plan["Triggers"]}


@pytest.mark.parametrize(
    ("before", "now_called"),
    [("dead", "crashed"), ("forgotten", "stranded"), ("emptied", "broker_emptied")],
)
def test_what_the_release_before_counts_has_the_new_label(
    execute: Execute, before: str, now_called: str
) -> None:
    known = reconciled(now_called)
    for by in (1, 2):
        execute(COUNT, label=before, by=by)
    with unit_of_work() as session:
        count(session, "reconciled", 4, now_called)
    assert (reconciled(now_called), reconciled(before)) == (known + 7, 0)
