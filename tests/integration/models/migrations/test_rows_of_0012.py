"""Rows that a release with the schema 0012 has stored are worked on by this one, after all the
migrations since; and those of this one by that one, on the way back.

The statements in capitals are those of that release.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, select, text

import models
from models.conversations import Message
from models.ids import new_id
from models.jobs import STAGES
from models.lifecycle.endings import cancel, complete
from models.lifecycle.reconciliation import reap_expired_leases, take_due
from models.lifecycle.transitions import checkpoint
from models.schema import upgrade
from models.session import get_engine, unit_of_work
from models.stage_record import StageRecord
from models.usage import UsageDay, add_ended
from models.users import get_or_create_user

from ..conftest import MakeJob, own, read

FIRST_JOB: Final = """
WITH conversation AS (
    INSERT INTO conversations (id, user_id, title, on_busy)
    VALUES (:conversation, :user, 'Hello', 'enqueue') RETURNING id
), message AS (
    INSERT INTO messages (id, conversation_id, user_id, role, content)
    SELECT :message, conversation.id, CAST(:user AS varchar), 'user', 'Hello' FROM conversation
    RETURNING id, conversation_id
)
INSERT INTO jobs (id, user_id, broadcast_id, previous_id, mind, metadata, options, request_id, slot,
    queue_lease_s, status, stage, epoch, attempts, starts, crash_count, stages, sequence, restarts,
    input_tokens, output_tokens, tokens_saved, cost_usd, paid_duplicates, conversation_id,
    message_id, queue_lease_until, expires_at)
SELECT :job, CAST(:user AS varchar), NULL, NULL, 'muse', '{"from": "before"}', '{}', 'request-1',
    'queued', 30, 'queued', 'intent', 1, 0, 0, 0, '{}', 1, 0, 0, 0, 0, 0, 0,
    message.conversation_id, message.id, clock_timestamp() + interval '30 s',
    clock_timestamp() + interval '1 h'
FROM message
"""
BEGIN: Final = """
UPDATE jobs SET status = 'in_progress', slot = 'running', run_token = gen_random_uuid(),
    lease_until = clock_timestamp(), queue_lease_until = NULL, starts = starts + 1,
    started_at = clock_timestamp(), sequence = sequence + 1
WHERE id = :job
"""
WAIT: Final = """
UPDATE jobs SET status = 'in_progress', slot = 'waiting', run_token = NULL, lease_until = NULL,
    queue_lease_until = NULL, next_attempt_at = clock_timestamp(), attempts = 1, starts = 1,
    started_at = clock_timestamp(), stages = '{"intent": {"status": "pending", "began": 2}}'
WHERE id = :job
"""
BLOCK: Final = """
UPDATE jobs SET slot = 'blocked', queue_lease_until = NULL, conversation_id = :conversation
WHERE id = :job
"""
COMPLETE: Final = """
UPDATE jobs SET status = 'completed', slot = NULL, completed_at = clock_timestamp(),
    stage = 'persist', queue_lease_until = NULL, answer = 'An answer.', finish_reason = 'stop',
    input_tokens = 7, output_tokens = 3, cost_usd = 0.25, intent = 'question',
    route = '{"model": "openai/gpt-5.4-mini", "reason": "intent:question", "fallbacks": []}',
    stages = '{"intent": {"status": "completed", "ms": 3, "unknown": 1},
        "compress": {"status": "skipped"}, "generate": {"status": "completed", "ms": 400},
        "persist": {"status": "completed", "ms": 1}}'
WHERE id = :job
"""
ANSWER: Final = """
INSERT INTO messages (id, conversation_id, user_id, role, mind, job_id, content)
SELECT :message, conversation_id, user_id, 'assistant', mind, id, answer FROM jobs WHERE id = :job
"""

AT_ONCE: Final = timedelta(0)
DONE: Final = StageRecord(status="completed", ms=1)
Older = Callable[..., str]


@pytest.fixture
def execute(backends: Mapping[str, str]) -> Callable[..., None]:
    def run(statement: str, **values: object) -> None:
        with get_engine().begin() as connection:
            assert connection.execute(text(statement), values).rowcount == 1

    return run


@pytest.fixture
def downgrade(backends: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """`downgrade()`: to the schema 0012; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    yield lambda: command.downgrade(config, "0012")
    upgrade()


@pytest.fixture
def older(execute: Callable[..., None], external_id: str, downgrade: Callable[[], None]) -> Older:
    """`older(statement, …)`: the id of a job of that release, at its schema, then changed so."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
    downgrade()

    def make(*statements: str, **values: Any) -> str:
        job_id = new_id("job")
        ids = {"conversation": new_id("conv"), "message": new_id("msg")}
        execute(FIRST_JOB, job=job_id, user=user_id, **ids)
        for statement in statements:
            execute(statement, job=job_id, **values)
        return job_id

    return make


def run_to_its_end(job_id: str) -> None:
    """Run a queued job as this release does."""
    epoch = read(job_id).epoch
    for stage in STAGES[:-1]:
        columns = {"answer": "An answer."} if stage == "generate" else {}
        with unit_of_work() as session:
            assert checkpoint(session, own(job_id, stage, epoch), DONE, columns)
    with unit_of_work() as session:
        assert complete(session, own(job_id, "persist", epoch), DONE)


def answers(job_id: str) -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(Message.content).where(Message.job_id == job_id)))


def test_what_is_queued_runs_and_then_what_it_blocks(older: Older) -> None:
    first = older()
    with unit_of_work() as session:
        here = "SELECT conversation_id FROM jobs WHERE id = :id"
        conversation_id = session.scalar(text(here), {"id": first})
    second = older(BLOCK, conversation=conversation_id)

    upgrade()

    assert [read(each).slot for each in (first, second)] == ["queued", "blocked"]
    assert read(first).meta == {"from": "before"}
    for job_id in (first, second):
        run_to_its_end(job_id)
    assert [read(each).status for each in (first, second)] == ["completed"] * 2
    assert [answers(each) for each in (first, second)] == [["An answer."]] * 2


def test_what_was_running_is_taken_over_and_what_waits_is_due(older: Older) -> None:
    running, waiting = older(BEGIN), older(WAIT)

    upgrade()

    with unit_of_work() as session:
        assert reap_expired_leases(session, 10, AT_ONCE) == 1
    with unit_of_work() as session:
        assert {due.job_id for due in take_due(session, 10)} >= {waiting}
    assert (read(running).epoch, read(waiting).epoch) == (2, 1)
    for job_id in (running, waiting):
        run_to_its_end(job_id)
        assert (read(job_id).status, answers(job_id)) == ("completed", ["An answer."])


def test_what_has_ended_is_shown_and_counted_as_it_was(
    older: Older, execute: Callable[..., None]
) -> None:
    ended = older(COMPLETE)
    execute(ANSWER, job=ended, message=new_id("msg"))

    upgrade()

    job = read(ended)
    assert (job.status, job.answer, job.finish_reason) == ("completed", "An answer.", "stop")
    assert (job.record("intent").status, job.record("intent").ms) == ("completed", 3)
    assert answers(ended) == ["An answer."]
    with unit_of_work() as session:
        while add_ended(session, AT_ONCE):
            pass
        sums = select(func.sum(UsageDay.jobs), func.sum(UsageDay.output_tokens))
        assert session.execute(sums.where(UsageDay.user_id == job.user_id)).one() == (1, 3)


def test_what_this_release_has_stored_is_whole_at_the_older_schema(
    make_job: MakeJob, downgrade: Callable[[], None], execute: Callable[..., None]
) -> None:
    queued, cancelled, bulk = make_job(), make_job(), make_job(priority="bulk")
    with unit_of_work() as session:
        assert cancel(session, cancelled)

    downgrade()

    for job_id in (queued, bulk):
        execute(BEGIN, job=job_id)
        execute(COMPLETE, job=job_id)
        execute(ANSWER, job=job_id, message=new_id("msg"))
    upgrade()
    assert [read(each).status for each in (queued, cancelled, bulk)] == [
        "completed",
        "cancelled",
        "completed",
    ]
    assert answers(bulk) == ["An answer."]
