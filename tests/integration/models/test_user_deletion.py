"""A deleted user leaves nothing, and takes nothing of others along."""

import pytest
from sqlalchemy import func, select, text

from config.settings import get_settings
from models.api_keys import create_key
from models.base import Base
from models.broadcasts import keep_answer
from models.browser_sessions import create_link, sign_in_by_key
from models.deleted_users import AccessEnded, create_signed_in_user
from models.idempotency import StoredAnswer, store_answer
from models.jobs import Job
from models.lifecycle.transitions import checkpoint
from models.lifecycle.user_deletion import ROWS, begin_deletion, delete_some, deleted_users
from models.open_calls import LOST_WITHIN, open_call
from models.session import unit_of_work
from models.stage_record import StageRecord
from models.users import User, find_user, get_or_create_user
from tasks.jobs.broadcasts import accept as accept_broadcast
from tasks.jobs.submission import Submission
from tasks.jobs.user_deletion import delete_user

from .conftest import MakeJob, own, read

LEFT = {"audit_log"}  # with ids only


def rows_of(user_id: str) -> dict[str, int]:
    """How many rows of a user each table has."""
    with unit_of_work() as session:
        counted = {
            table.name: session.scalar(
                select(func.count()).select_from(table).where(table.c.user_id == user_id)
            )
            for table in Base.metadata.sorted_tables
            if "user_id" in table.c
        }
    return {name: number for name, number in counted.items() if number}


@pytest.fixture
def user_id(make_job: MakeJob, external_id: str) -> str:
    """A user with something in each table."""
    make_job()
    with unit_of_work() as session:
        mine = get_or_create_user(session, external_id)
        pepper = get_settings().pepper
        key = create_key(session, mine, "", pepper)
        create_link(session, mine, [], pepper)
        session.flush()
        sign_in_by_key(session, key, (pepper,))
        whole = accept_broadcast(session, Submission(mine, "Hello all"), None)
        open_call(session, mine, b"a" * 32, whole.jobs[0].id, LOST_WITHIN)
        keep_answer(session, whole.broadcast.id, whole.jobs[0].id)
        assert store_answer(session, mine, "key", StoredAnswer(b"a" * 32, {}))
    return mine


def begin(external_id: str) -> None:
    with unit_of_work() as session:
        begin_deletion(session, external_id)


def test_all_that_is_a_users_is_deleted_and_nothing_else(
    user_id: str, make_job: MakeJob, external_id: str
) -> None:
    with unit_of_work() as session:
        other = get_or_create_user(session, f"other-{external_id}")
        accept_broadcast(session, Submission(other, "Hello"), None)
    of_other = rows_of(other)
    before = rows_of(user_id)
    assert {"jobs", "conversations", "messages", "broadcasts", "api_keys", "sign_in_links"} < (
        before.keys()
    )

    begin(external_id)
    batches: list[int] = []
    assert delete_user(user_id, batches.append)

    assert rows_of(user_id).keys() <= LEFT
    assert rows_of(other) == of_other
    assert max(batches) <= ROWS
    with unit_of_work() as session:
        assert session.get(User, user_id) is None


def test_access_ends_at_once_and_the_name_is_free(user_id: str, external_id: str) -> None:
    begin(external_id)

    assert not {"api_keys", "browser_sessions", "sign_in_links"} & rows_of(user_id).keys()
    with unit_of_work() as session:
        assert user_id in deleted_users(session, 1000)
        assert find_user(session.connection(), external_id) is None
        assert get_or_create_user(session, external_id) != user_id


def test_jobs_are_cancelled_before_they_are_deleted(
    user_id: str, make_job: MakeJob, external_id: str
) -> None:
    running = make_job()
    fence = own(running, "intent")
    begin(external_id)

    with unit_of_work() as session:
        assert delete_some(session, user_id) > 0

    assert read(running).status == "cancelled"
    with unit_of_work() as session:
        unfinished = select(Job.id).where(Job.user_id == user_id, Job.slot.is_not(None))
        assert session.scalars(unfinished).all() == []
        record = StageRecord(status="completed", ms=1)
        assert not checkpoint(session, fence, record, {})  # the worker's work is dropped
    assert delete_user(user_id)


def test_many_jobs_are_deleted_in_small_transactions(
    user_id: str, make_job: MakeJob, external_id: str
) -> None:
    job_id = make_job()
    with unit_of_work() as session:
        columns = ", ".join(
            column.name for column in Job.__table__.columns if column.name not in ("id", "slot")
        )
        copy = f"""INSERT INTO jobs (id, slot, {columns})
            SELECT 'job_' || :user || n, slot, {columns} FROM jobs, generate_series(1, :number) AS n
            WHERE id = :job"""
        session.execute(text(copy), {"user": user_id[-8:], "number": ROWS * 3, "job": job_id})
    begin(external_id)
    batches: list[int] = []

    assert delete_user(user_id, batches.append)

    assert len(batches) > 6
    assert max(batches) <= ROWS
    assert rows_of(user_id).keys() <= LEFT


def test_a_job_that_is_added_during_the_deletion_goes_too(
    user_id: str, make_job: MakeJob, external_id: str
) -> None:
    """As by a request that was authenticated just before."""
    begin(external_id)
    with unit_of_work() as session:
        accept_broadcast(session, Submission(user_id, "Hello"), None)

    assert delete_user(user_id)

    assert rows_of(user_id).keys() <= LEFT


def test_a_user_whose_deletion_has_not_begun_is_left(user_id: str) -> None:
    with unit_of_work() as session:
        session.execute(text("DELETE FROM jobs WHERE user_id = :id"), {"id": user_id})
        while delete_some(session, user_id):
            pass
        assert session.get(User, user_id) is not None


@pytest.mark.parametrize(("seconds", "refused"), [(-3600, True), (59, True), (61, False)])
def test_what_was_issued_before_the_deletion_creates_no_user(
    user_id: str, external_id: str, seconds: int, refused: bool
) -> None:
    begin(external_id)
    with unit_of_work() as session:
        now = session.scalar(text("SELECT extract(epoch FROM now())::bigint"))
        if refused:
            with pytest.raises(AccessEnded):
                create_signed_in_user(session, external_id, now + seconds)
            with pytest.raises(AccessEnded):
                create_signed_in_user(session, external_id, None)
        else:
            assert create_signed_in_user(session, external_id, now + seconds) != user_id


def test_every_table_of_a_users_rows_is_deleted_with_him() -> None:
    """A new table has to refer to users, unless it is named here: what it belongs to does."""
    for table in Base.metadata.sorted_tables:
        if "user_id" in table.c and table.name not in {*LEFT, "messages", "webhook_deliveries"}:
            keys = list(table.c.user_id.foreign_keys)
            assert [key.ondelete for key in keys] == ["CASCADE"], table.name
