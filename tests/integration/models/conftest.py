"""Jobs in a real database, without a broker."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from config.settings import get_settings
from models.jobs import STAGES, Job
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin, checkpoint
from models.session import unit_of_work
from models.stage_record import StageRecord
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

from ..commits import unfollowed

MakeJob = Callable[..., str]
Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]

FILL = """
INSERT INTO users (id, external_id)
  SELECT 'user_' || name, name FROM unnest(ARRAY['many', 'few', 'titles', 'other']) AS name;
INSERT INTO conversations (id, user_id)
  SELECT 'conv_many_' || n, 'user_many' FROM generate_series(1, 200) AS n;
INSERT INTO conversations (id, user_id, title)
  SELECT 'conv_titles_' || n, 'user_titles', 'The title ' || n FROM generate_series(1, 20000) AS n;
INSERT INTO conversations (id, user_id)
  VALUES ('conv_few', 'user_few'), ('conv_other', 'user_other');
INSERT INTO messages (id, conversation_id, role, content)
  SELECT 'msg_many_' || n, 'conv_many_' || 1 + n % 200, 'user', 'some words ' || n
  FROM generate_series(1, 20000) AS n;
INSERT INTO messages (id, conversation_id, role, content)
  VALUES ('msg_few', 'conv_few', 'user', 'some words');
INSERT INTO messages (id, conversation_id, role, content)
  SELECT 'msg_other_' || n, 'conv_other', 'user', 'a platypus' FROM generate_series(1, 5000) AS n;
INSERT INTO idempotency_keys (user_id, key, fingerprint, answer)
  SELECT 'user_many', 'key ' || n, sha256('a'), '{}' FROM generate_series(1, 20000) AS n;
INSERT INTO jobs (id, user_id, conversation_id, mind, metadata, status, stage, slot, epoch,
    queue_lease_s, attempts, starts, crash_count, expires_at, completed_at, stages, input_tokens,
    output_tokens, tokens_saved, cost_usd, paid_duplicates)
  SELECT 'job_many_' || n, 'user_many', 'conv_many_' || 1 + n % 200, 'm', '{}', 'completed',
    'persist', NULL, 1, 30, 0, 1, 0, now(), now(), '{}', 0, 0, 0, 0, 0
  FROM generate_series(1, 20000) AS n;
ANALYZE idempotency_keys; ANALYZE jobs; ANALYZE messages; ANALYZE conversations;
"""


@pytest.fixture(scope="module", autouse=True)
def quiet(backends: Mapping[str, str], quietly: Quietly) -> Iterator[None]:
    """These tests check all rows, so no worker must change one."""
    with quietly(backends), unfollowed():
        yield


@pytest.fixture(scope="module")
def filled(backends: Mapping[str, str], quietly: Quietly) -> Iterator[None]:
    """Users with much data and one with little, in a separate database."""
    with quietly(backends):
        with unit_of_work() as session:
            for statement in FILL.split(";\n"):
                if statement.strip():
                    session.execute(text(statement.replace(":", r"\:")))
        yield


@pytest.fixture
def make_job(backends: Mapping[str, str], external_id: str) -> MakeJob:
    """`make_job(message, conversation_id=…, mind=…)`: the id of an accepted job of this test."""

    def make(message: str = "Hello there", **more: Any) -> str:
        with unfollowed(), unit_of_work() as session:
            user = get_or_create_user(session, external_id)
            return accept(session, Submission(user, message, **more)).id

    return make


@pytest.fixture
def share(backends: Mapping[str, str]) -> Iterator[Callable[[int], None]]:
    """`share(2)`: two jobs of each user may be in flight from now on."""
    with pytest.MonkeyPatch.context() as patch:

        def restrict(jobs: int) -> None:
            patch.setenv("USER_SHARE", str(jobs))
            get_settings.cache_clear()

        yield restrict
    get_settings.cache_clear()


def read(job_id: str) -> Job:
    """The current row of a job."""
    with unit_of_work() as session:
        job = session.get(Job, job_id)
        assert job is not None
        return job


def own(job_id: str, stage: str, epoch: int = 1) -> Fence:
    """Begin a stage and return the fence that owns it."""
    fence = Fence(job_id, epoch, stage, uuid4())
    with unit_of_work() as session:
        assert begin(session, fence) is not None
    return fence


def advance(job_id: str, to: str) -> None:
    """Advance a job to a stage, with every stage before it completed."""
    for stage in STAGES[: STAGES.index(to)]:
        with unit_of_work() as session:
            columns = {"answer": "An answer."} if stage == "generate" else {}
            record = StageRecord(status="completed", ms=1)
            assert checkpoint(session, own(job_id, stage), record, columns)
