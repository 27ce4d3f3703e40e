"""Processes of the release before insert jobs without naming the trace."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import models
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin
from models.schema import upgrade
from models.session import get_engine, unit_of_work

from ..conftest import MakeJob, read

COLUMNS = """user_id, conversation_id, message_id, mind, metadata, options, status, stage, slot,
    epoch, queue_lease_until, queue_lease_s, attempts, starts, crash_count, expires_at, stages,
    input_tokens, output_tokens, tokens_saved, cost_usd, paid_duplicates, sequence, restarts"""
INSERT = f"INSERT INTO jobs (id, {COLUMNS}) SELECT :id, {COLUMNS} FROM jobs WHERE id = :sibling"


@pytest.fixture
def downgrade(backends: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """`downgrade()`: to the schema of the release before; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    yield lambda: command.downgrade(config, "0024")
    upgrade()


def test_a_job_of_the_release_before_belongs_to_no_trace(make_job: MakeJob) -> None:
    first = make_job()
    with get_engine().begin() as connection:
        connection.execute(text(INSERT), {"id": f"{first}_2", "sibling": first})
    with unit_of_work() as session:
        begun = begin(session, Fence(f"{first}_2", 1, "intent", uuid4()))
    assert begun is not None
    assert begun.traceparent is None


def test_a_job_outlives_the_way_back_and_forth(
    make_job: MakeJob, downgrade: Callable[[], None]
) -> None:
    job_id = make_job()
    expires_at = read(job_id).expires_at
    downgrade()
    upgrade()
    job = read(job_id)
    assert (job.expires_at, job.traceparent) == (expires_at, None)
