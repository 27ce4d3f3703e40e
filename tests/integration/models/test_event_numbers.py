"""The numbers of a job's events only grow, even if a run is ended or given up from outside."""

from datetime import timedelta

import pytest

from models.jobs import STAGES
from models.lifecycle.endings import cancel
from models.lifecycle.event_numbers import SEQUENCE_GAP
from models.lifecycle.reconciliation import take_due
from models.lifecycle.transitions import begin, checkpoint, wait
from models.session import unit_of_work
from models.stage_record import StageRecord

from .conftest import MakeJob, advance, own, read

DONE = StageRecord(status="completed", ms=1)


def test_each_step_of_a_job_has_a_number_larger_than_the_last(make_job: MakeJob) -> None:
    job_id = make_job()
    seen = [read(job_id).sequence]
    for stage in STAGES[:-1]:
        fence = own(job_id, stage)
        seen.append(read(job_id).sequence)
        with unit_of_work() as session:
            assert checkpoint(session, fence, DONE, {"answer": "Yes."})
        seen.append(read(job_id).sequence)
    assert seen == sorted(set(seen))
    assert read(job_id).stages["generate"] == DONE.stored()


def test_a_begin_that_is_tried_again_takes_no_second_number(make_job: MakeJob) -> None:
    job_id = make_job()
    fence = own(job_id, "intent")
    before = read(job_id)
    with unit_of_work() as session:
        again = begin(session, fence)
    assert again is not None
    assert again.sequence == before.sequence == read(job_id).sequence
    assert read(job_id).stages["intent"] == {"status": "running", "began": before.sequence}


@pytest.mark.parametrize("heard", [True, False])
def test_a_text_restarts_only_where_an_earlier_one_may_have_been_read(
    make_job: MakeJob, heard: bool
) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    fence = own(job_id, "generate")
    record = StageRecord(status="pending", text=heard or None)
    with unit_of_work() as session:
        assert wait(session, fence, timedelta(0), record, counts=True)
    with unit_of_work() as session:
        assert take_due(session, 1000)
    own(job_id, "generate")
    job = read(job_id)
    assert job.restarts == heard
    assert job.text_base == job.sequence + 1


def test_ending_a_running_answer_from_outside_skips_its_numbers(
    make_job: MakeJob,
) -> None:
    job_id = make_job()
    advance(job_id, "generate")
    own(job_id, "generate")
    before = read(job_id).sequence
    with unit_of_work() as session:
        assert cancel(session, job_id)
    assert read(job_id).sequence == before + SEQUENCE_GAP + 1
