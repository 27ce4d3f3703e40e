"""A mind's track: its own turns and the messages that went to it."""

from models.endings import complete, fail
from models.session import unit_of_work
from models.tracks import Turn, track

from .conftest import MakeJob, advance, own, read

LINE = {"status": "completed", "ms": 1}


def answered(make_job: MakeJob, message: str, **more: str) -> str:
    job_id = make_job(message, **more)
    advance(job_id, "persist")
    with unit_of_work() as session:
        assert complete(session, own(job_id, "persist"), LINE)
    return job_id


def turns(job_id: str) -> list[Turn]:
    with unit_of_work() as session:
        return track(session, job_id)


def test_a_first_message_has_no_track(make_job: MakeJob) -> None:
    assert turns(make_job()) == []


def test_earlier_turns_come_oldest_first(make_job: MakeJob) -> None:
    conversation = read(answered(make_job, "First?")).conversation_id
    answered(make_job, "Second?", conversation_id=conversation)
    third = make_job("Third?", conversation_id=conversation)
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
        assert fail(session, own(failed, "intent"), "internal", "It broke.", LINE)
    after = make_job("After", conversation_id=read(failed).conversation_id)
    assert turns(after) == []
