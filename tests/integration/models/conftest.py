"""Jobs in a real database, without a broker."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest

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


@pytest.fixture(scope="module", autouse=True)
def quiet(backends: Mapping[str, str], quietly: Quietly) -> Iterator[None]:
    """These tests check all rows, so no worker must change one."""
    with quietly(backends), unfollowed():
        yield


@pytest.fixture
def make_job(backends: Mapping[str, str], external_id: str) -> MakeJob:
    """`make_job(message, conversation_id=…, mind=…)`: the id of an accepted job of this test."""

    def make(message: str = "Hello there", **more: Any) -> str:
        with unfollowed(), unit_of_work() as session:
            user = get_or_create_user(session, external_id)
            return accept(session, Submission(user, message, **more)).id

    return make


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
