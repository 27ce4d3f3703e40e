"""What is older than RETENTION_DAYS is deleted, in small transactions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from config.redis import redis_client
from config.settings import get_settings
from models.broadcasts import Broadcast
from models.conversations import Conversation, Message
from models.ids import first_id_at, new_id
from models.jobs import Job
from models.lifecycle.deletion import delete_conversation
from models.lifecycle.endings import cancel, complete
from models.lifecycle.retention import expire_conversations, expire_jobs
from models.session import unit_of_work
from models.stage_record import StageRecord
from models.usage import UsageProgress, add_ended
from models.users import get_or_create_user
from tasks.jobs.broadcasts import accept as accept_broadcast
from tasks.jobs.submission import Submission
from tasks.worker.sweeper import Sweeper

from .conftest import MakeJob, advance, own, read

AGE = timedelta(days=30)
WAITING = "wait_event_type = 'Lock' AND datname = current_database()"
OLD = timedelta(days=31)


def expire() -> None:
    """All that can be."""
    count_usage()
    with unit_of_work() as session:
        while expire_jobs(session, AGE):
            pass
    after: str | None = ""
    while after is not None:
        with unit_of_work() as session:
            after = expire_conversations(session, AGE, after).after


def count_usage() -> None:
    """Add the jobs that have ended to their users' usage, as a worker does."""
    with unit_of_work() as session:
        while add_ended(session, timedelta(0)):
            pass


def age(job_id: str, by: timedelta = OLD, *, touched: timedelta = OLD) -> str:
    """Let a job and its conversation be older; returns the conversation's id."""
    old_id = first_id_at("conv", datetime.now(UTC) - by)[:-8] + job_id[-8:]
    with unit_of_work() as session:
        job = session.get(Job, job_id)
        assert job is not None
        conversation = session.get(Conversation, job.conversation_id)
        assert conversation is not None
        aged = Conversation(
            id=old_id, user_id=job.user_id, updated_at=func.now() - touched, on_busy="enqueue"
        )
        session.add(aged)
        session.flush()
        of_old = {"conversation_id": old_id}
        session.execute(update(Message).where(Message.id == job.message_id).values(**of_old))
        session.execute(update(Job).where(Job.id == job_id).values(**of_old))
        if job.completed_at is not None:
            ended = func.now() - touched
            session.execute(update(Job).where(Job.id == job_id).values(completed_at=ended))
    return old_id


@pytest.fixture
def user_id(backends: object, external_id: str) -> str:
    with unit_of_work() as session:
        return get_or_create_user(session, external_id)


def complete_with(job_id: str, answer: str) -> None:
    advance(job_id, "persist")
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(answer=answer))
    with unit_of_work() as session:
        assert complete(session, own(job_id, "persist"), StageRecord(status="completed", ms=1))


@pytest.fixture
def ended_job(make_job: MakeJob) -> Callable[[], str]:
    def make() -> str:
        job_id = make_job()
        with unit_of_work() as session:
            assert cancel(session, job_id)
        return job_id

    return make


def let_age(job_id: str, by: timedelta = OLD) -> None:
    """Let an ended job be older, in its conversation as it is."""
    with unit_of_work() as session:
        ended = update(Job).where(Job.id == job_id)
        session.execute(ended.values(completed_at=func.now() - by))


def exists(kind: type[Conversation | Job | Message], row_id: str | None) -> bool:
    with unit_of_work() as session:
        return session.scalar(select(kind.id).where(kind.id == row_id)) is not None


def test_an_untouched_conversation_goes_with_its_jobs_and_messages(
    ended_job: Callable[[], str],
) -> None:
    job_id = ended_job()
    message_id = read(job_id).message_id
    conversation_id = age(job_id)

    expire()

    assert not exists(Conversation, conversation_id)
    assert not exists(Job, job_id)
    with unit_of_work() as session:
        assert session.get(Message, message_id) is None


def test_what_was_touched_since_or_is_not_over_stays(
    ended_job: Callable[[], str], make_job: MakeJob
) -> None:
    recent, busy = ended_job(), make_job()
    kept = [age(recent, touched=timedelta(days=29)), age(busy)]
    young = read(ended_job()).conversation_id
    assert young is not None

    expire()

    assert [exists(Conversation, each) for each in (*kept, young)] == [True] * 3
    assert exists(Job, recent)
    assert exists(Job, busy)


@pytest.mark.parametrize(
    "message",
    ["\u2003 An old secret \n with more", "An old secret " * 9, "\N{CJK RADICAL SUN}" * 61],
)
def test_what_is_old_goes_from_a_conversation_that_is_still_used(
    make_job: MakeJob, message: str
) -> None:
    old = make_job(message)
    here = read(old).conversation_id
    complete_with(old, "An old answer")
    young, busy = make_job("A new one", conversation_id=here), make_job(conversation_id=here)
    with unit_of_work() as session:
        assert cancel(session, young)
    messages = [read(each).message_id for each in (old, young, busy)]
    with unit_of_work() as session:
        answer = session.scalar(select(Message.id).where(Message.job_id == old))
    let_age(old)

    expire()

    assert [exists(Job, each) for each in (old, young, busy)] == [False, True, True]
    assert [exists(Message, each) for each in messages] == [False, True, True]
    assert not exists(Message, answer)
    assert title(here) is None


def test_jobs_that_continue_old_ones_are_locked_in_the_order_of_their_ids(
    make_job: MakeJob, until: Callable[..., None]
) -> None:
    """As heartbeats lock them."""
    old = [make_job(), make_job()]
    later = sorted([make_job(), make_job()])
    with unit_of_work() as session:
        for job_id, continued in zip(later, reversed(old), strict=True):
            assert cancel(session, continued)
            session.execute(update(Job).filter_by(id=job_id).values(previous_id=continued))
    for job_id in old:
        let_age(job_id)
    with ThreadPoolExecutor(1) as thread:
        with unit_of_work() as session:
            lock_job(session, later[0])
            expiring = thread.submit(expire)
            until(a_statement_waits)
            session.execute(text("SET LOCAL lock_timeout = '500ms'"))
            lock_job(session, later[1])
        expiring.result()

    assert [read(job_id).previous_id for job_id in later] == [None, None]


def lock_job(session: Session, job_id: str) -> None:
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update(key_share=True))


def a_statement_waits() -> bool:
    with unit_of_work() as session:
        found = session.execute(text(f"SELECT 1 FROM pg_stat_activity WHERE {WAITING}"))
        return found.first() is not None


def test_a_title_stays_that_is_no_beginning_of_what_goes(make_job: MakeJob) -> None:
    first = make_job("An old secret")
    here = read(first).conversation_id
    with unit_of_work() as session:
        assert cancel(session, first)
        session.execute(update(Conversation).filter_by(id=here).values(title="Mine"))
    make_job("A new one", conversation_id=here)
    let_age(first)

    expire()

    assert not exists(Job, first)
    assert title(here) == "Mine"


def title(conversation_id: str | None) -> str | None:
    with unit_of_work() as session:
        found = select(Conversation.title).where(Conversation.id == conversation_id)
        return session.scalars(found).one()


def test_a_message_goes_with_the_last_of_its_jobs(user_id: str) -> None:
    with unit_of_work() as session:
        whole = accept_broadcast(session, Submission(user_id, "Hello all"), None)
        first, *others = [job.id for job in whole.jobs]
        message_id, broadcast_id = whole.broadcast.message_id, whole.broadcast.id
        for job_id in (first, *others):
            assert cancel(session, job_id)
    let_age(first)
    expire()
    assert not exists(Job, first)
    assert exists(Message, message_id)
    for job_id in others:
        let_age(job_id)
    expire()
    assert not exists(Message, message_id)
    with unit_of_work() as session:
        assert session.get(Broadcast, broadcast_id) is None


def test_a_job_that_is_in_no_usage_yet_stays(ended_job: Callable[[], str]) -> None:
    counted, uncounted = ended_job(), ended_job()
    for job_id in (counted, uncounted):
        let_age(job_id, timedelta(days=40))
    count_usage()
    let_age(counted, timedelta(days=32))
    with unit_of_work() as session:
        session.execute(update(UsageProgress).values(until=func.now() - timedelta(days=36)))
        while expire_jobs(session, AGE):
            pass
    assert (exists(Job, counted), exists(Job, uncounted)) == (True, False)


def test_a_conversation_that_is_locked_is_left_for_the_next_time(
    ended_job: Callable[[], str],
) -> None:
    conversation_id = age(ended_job())
    with unit_of_work() as session:
        session.execute(
            select(Conversation.id).where(Conversation.id == conversation_id).with_for_update()
        )
        expire()
        assert exists(Conversation, conversation_id)

    expire()

    assert not exists(Conversation, conversation_id)


def test_a_job_whose_conversation_was_deleted_goes_by_its_own_age(
    ended_job: Callable[[], str], external_id: str
) -> None:
    old, young = ended_job(), ended_job()
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        for job_id in (old, young):
            conversation_id = read(job_id).conversation_id
            assert conversation_id is not None
            assert delete_conversation(session, user_id, conversation_id)
        session.execute(update(Job).where(Job.id == old).values(completed_at=func.now() - OLD))

    expire()

    assert not exists(Job, old)
    assert exists(Job, young)


def test_a_worker_does_it_if_it_is_told_to(
    ended_job: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = age(ended_job())
    count_usage()
    for days in ("", "30"):
        assert exists(Conversation, conversation_id)
        monkeypatch.setenv("RETENTION_DAYS", days)
        get_settings.cache_clear()
        redis_client().flushdb()  # no other worker's turn
        Sweeper().sweep()
    get_settings.cache_clear()

    assert not exists(Conversation, conversation_id)


def test_an_id_is_placed_in_time() -> None:
    assert first_id_at("conv", datetime.now(UTC) - timedelta(seconds=1)) < new_id("conv")
    assert new_id("conv") < first_id_at("conv", datetime.now(UTC) + timedelta(seconds=1))
