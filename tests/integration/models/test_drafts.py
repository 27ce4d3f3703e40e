"""Texts of many jobs are saved together; one that can't be saved affects no other."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

import pytest

from models.lifecycle.fence import Fence
from models.session import unit_of_work
from tasks.execution.heartbeat import beating, save_drafts
from tasks.execution.output_buffer import OutputBuffer
from tasks.execution.work import Work, load
from tests.integration.models.conftest import MakeJob, advance, read

Generating = Callable[..., Work]
# Its characters have numbers that no column holds.
BEYOND = 2**63


@pytest.fixture
def generating(make_job: MakeJob) -> Iterator[Generating]:
    """`generating(base)`: a job's running generate, as in its worker."""
    with ExitStack() as running:

        def begin(base: int = 10) -> Work:
            job_id = make_job()
            advance(job_id, "generate")
            with unit_of_work() as session:
                work = load(session, Fence(job_id, 1, "generate", uuid4()), 60)
            assert work is not None
            made = replace(work, draft=OutputBuffer(base))
            made.draft.add("Hello")
            running.enter_context(beating(made))
            return made

        yield begin


def test_a_draft_that_cannot_be_saved_keeps_no_other_from_being(generating: Generating) -> None:
    first, bad, last = generating(), generating(BEYOND), generating()

    save_drafts()
    assert [read(work.fence.job_id).partial for work in (first, bad, last)] == [
        "Hello",
        None,
        "Hello",
    ]
    for work in (first, bad, last):
        work.draft.add(" again")
    save_drafts()

    assert [read(work.fence.job_id).partial for work in (first, last)] == ["Hello again"] * 2
    assert not any(work.stop.is_set() for work in (first, bad, last))
