"""A mind's track, and the history of jobs linked by `previous_id`."""

from models.history import Spoken, Turn, linked, spoken, track
from models.job_options import Options
from models.lifecycle.endings import cancel, complete, fail
from models.session import unit_of_work
from models.stage_record import StageRecord

from .conftest import MakeJob, advance, own, read

DONE = StageRecord(status="completed", ms=1)


def answered(make_job: MakeJob, message: str, **more: object) -> str:
    job_id = make_job(message, **more)
    advance(job_id, "persist")
    with unit_of_work() as session:
        assert complete(session, own(job_id, "persist"), DONE)
    return job_id


def turns(job_id: str) -> list[Turn]:
    with unit_of_work() as session:
        return track(session, job_id)


def said(job_id: str, limit: int = 50) -> list[Spoken]:
    with unit_of_work() as session:
        return linked(session, job_id, limit)


def test_a_first_message_has_no_track(make_job: MakeJob) -> None:
    assert turns(make_job()) == []


def test_earlier_turns_come_oldest_first(make_job: MakeJob) -> None:
    conversation = read(answered(make_job, "First?")).conversation_id
    answered(make_job, "Second?", conversation_id=conversation)
    third = make_job("Third?", conversation_id=conversation)
    with unit_of_work() as session:
        assert cancel(session, third)
    answered(make_job, "Fourth?", conversation_id=conversation)
    assert turns(third) == [Turn("First?", "An answer."), Turn("Second?", "An answer.")]


def test_the_newest_turns_are_kept(make_job: MakeJob) -> None:
    conversation = read(answered(make_job, "First?")).conversation_id
    answered(make_job, "Second?", conversation_id=conversation)
    third = make_job("Third?", conversation_id=conversation)
    with unit_of_work() as session:
        assert track(session, third, limit=1) == [Turn("Second?", "An answer.")]


def test_a_mind_does_not_see_what_went_to_another(make_job: MakeJob) -> None:
    conversation = read(answered(make_job, "For the sage", mind="sage")).conversation_id
    muse = make_job("For the muse", mind="muse", conversation_id=conversation)
    sage = make_job("And again", mind="sage", conversation_id=conversation)
    assert turns(muse) == []
    assert [turn.question for turn in turns(sage)] == ["For the sage"]


def test_failed_turns_stay_out(make_job: MakeJob) -> None:
    failed = make_job("Fails")
    with unit_of_work() as session:
        assert fail(session, own(failed, "intent"), "internal", "It broke.", DONE)
    after = make_job("After", conversation_id=read(failed).conversation_id)
    assert turns(after) == []


def test_a_job_that_goes_on_from_none_has_no_chain(make_job: MakeJob) -> None:
    assert said(make_job()) == []


def test_a_chain_is_what_was_said_in_the_jobs_before_oldest_first(make_job: MakeJob) -> None:
    first = answered(make_job, "First?")
    conversation = read(first).conversation_id
    answered(make_job, "Beside it", conversation_id=conversation)
    second = answered(make_job, "Second?", conversation_id=conversation, previous_id=first)
    third = make_job("Third?", conversation_id=conversation, previous_id=second)
    assert said(third) == spoken([Turn("First?", "An answer."), Turn("Second?", "An answer.")])


def test_two_jobs_may_go_on_from_the_same_one(make_job: MakeJob) -> None:
    first = answered(make_job, "First?")
    conversation = read(first).conversation_id
    forks = [
        answered(make_job, fork, conversation_id=conversation, previous_id=first)
        for fork in ("Left?", "Right?")
    ]
    ends = [make_job("End", conversation_id=conversation, previous_id=fork) for fork in forks]
    asked = [[text for role, text in said(end) if role == "user"] for end in ends]
    assert asked == [["First?", "Left?"], ["First?", "Right?"]]


def test_each_job_of_a_chain_brings_the_history_that_came_with_it(make_job: MakeJob) -> None:
    given = (("user", "Before?"), ("assistant", "Before."))
    first = answered(make_job, "First?", options=Options(history=given))
    second = make_job("Second?", previous_id=first, options=Options(history=(("user", "Own"),)))
    assert said(second) == [*given, ("user", "First?"), ("assistant", "An answer.")]


def test_the_newest_jobs_of_a_long_chain_are_kept(make_job: MakeJob) -> None:
    job_id = answered(make_job, "0")
    for number in range(1, 4):
        job_id = answered(make_job, str(number), previous_id=job_id)
    last = make_job("last", previous_id=job_id)
    assert [text for role, text in said(last, limit=2) if role == "user"] == ["2", "3"]
