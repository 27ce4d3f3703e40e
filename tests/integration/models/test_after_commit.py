"""Work that follows a commit: once, only of what was committed, with the connection given back."""

from collections.abc import Iterator

import pytest
from sqlalchemy import QueuePool
from sqlalchemy.orm import Session

from models.jobs import FIRST, Job
from models.lifecycle.after_commit import (
    AcceptedJob,
    AfterCommit,
    after_commit,
    register_after_commit,
)
from models.lifecycle.endings import cancel
from models.session import get_engine, unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

from .conftest import MakeJob, read

Handled = list[tuple[str, AfterCommit]]


@pytest.fixture
def handled() -> Iterator[Handled]:
    """What three handlers were called with; the second of them fails."""
    calls: Handled = []

    def break_down(after: AfterCommit) -> None:
        calls.append(("second", after))
        raise OSError("the broker is unavailable")

    replaced = register_after_commit(
        lambda after: calls.append(("first", after)),
        break_down,
        lambda after: calls.append(("third", after)),
    )
    yield calls
    register_after_commit(*replaced)


def test_each_handler_is_called_in_order_though_one_fails(
    make_job: MakeJob, handled: Handled
) -> None:
    job_id = make_job()
    with unit_of_work() as session:
        assert cancel(session, job_id)
        assert handled == []
    after = AfterCommit(ended=[job_id], cancelled=[job_id])
    assert handled == [("first", after), ("second", after), ("third", after)]
    assert read(job_id).status == "cancelled"


def test_an_accepted_job_is_noted_with_what_is_to_be_published(
    external_id: str, handled: Handled
) -> None:
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        job = accept(session, Submission(user, "Hello", mind="muse"))
        queued = (job.id, 1, "intent", "Hello", FIRST, "muse", "queued")
        accepted = AcceptedJob(*queued, job.conversation_id)
    assert [after.accepted for _, after in handled] == [[accepted]] * 3


def test_handlers_keep_no_connection_busy(make_job: MakeJob) -> None:
    job_id, busy = make_job(), list[int]()
    pool = get_engine().pool
    assert isinstance(pool, QueuePool)
    replaced = register_after_commit(lambda _: busy.append(pool.checkedout()))
    with Session(get_engine()) as session:
        cancel(session, job_id)
        assert pool.checkedout() == 1
        session.commit()
    register_after_commit(*replaced)
    assert busy == [0]


def test_what_is_rolled_back_is_followed_by_nothing(make_job: MakeJob, handled: Handled) -> None:
    first, second = make_job(), make_job()
    with Session(get_engine()) as session:
        cancel(session, first)
        session.rollback()
        cancel(session, second)
        session.commit()
        session.commit()
    assert [after.ended for _, after in handled] == [[second]] * 3


def test_a_savepoint_is_no_commit(make_job: MakeJob, handled: Handled) -> None:
    first, second = make_job(), make_job()
    with Session(get_engine()) as session:
        with session.begin_nested():
            cancel(session, first)
        assert handled == []
        with session.begin_nested():
            session.add(session.get_one(Job, first))
            session.flush()
        cancel(session, second)
        session.commit()
    assert [after.ended for _, after in handled] == [[first, second]] * 3


def test_a_transaction_that_is_left_open_is_followed_by_nothing(
    make_job: MakeJob, handled: Handled
) -> None:
    with Session(get_engine()) as session:
        cancel(session, make_job())
        with session.begin_nested():
            assert after_commit(session).ended
    assert handled == []
