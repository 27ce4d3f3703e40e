"""Jobs blocked on their track, and their release, on the real SQL."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, event, update

from models.conversations import Conversation, Message
from models.counters import counters
from models.jobs import FIRST, Job
from models.lifecycle.after_commit import AfterCommit, PendingDispatch, after_commit
from models.lifecycle.deletion import delete_conversation
from models.lifecycle.endings import cancel, complete, fail
from models.lifecycle.fence import Fence, now
from models.lifecycle.ownership import adopt, extend_leases, hand_back, save_partials
from models.lifecycle.reconciliation import (
    MAX_CRASHES,
    end_all_orphans,
    end_all_overdue,
    reap_expired_leases,
)
from models.lifecycle.track_queue import release_stranded
from models.lifecycle.transitions import begin
from models.session import get_engine, unit_of_work
from models.stage_record import StageRecord

from .conftest import MakeJob, advance, own, read

DONE = StageRecord(status="completed", ms=1)
MANY = 10_000
AT_ONCE = timedelta(0)


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def followed(work: Callable[[Any], object]) -> AfterCommit:
    """What follows a transaction."""
    with unit_of_work() as session:
        noted = after_commit(session)
        work(session)
    return noted


def overdue_at_begin(job_id: str) -> AfterCommit:
    change(job_id, expires_at=now())
    return followed(lambda session: begin(session, Fence(job_id, 1, "intent", uuid4())))


def overdue_in_the_reconciler(job_id: str) -> AfterCommit:
    change(job_id, expires_at=now())
    return followed(lambda session: end_all_overdue(session, MANY))


def completed(job_id: str) -> AfterCommit:
    advance(job_id, "persist")
    fence = own(job_id, "persist")
    return followed(lambda session: complete(session, fence, DONE))


def failed(job_id: str) -> AfterCommit:
    fence = own(job_id, "intent")
    return followed(lambda session: fail(session, fence, "internal", "It broke.", DONE))


def poisoned(job_id: str) -> AfterCommit:
    own(job_id, "intent")
    change(job_id, crash_count=MAX_CRASHES - 1, lease_until=now())
    return followed(lambda session: reap_expired_leases(session, MANY, AT_ONCE))


def orphaned_at_begin(job_id: str) -> AfterCommit:
    lose_message(job_id)
    return followed(lambda session: begin(session, Fence(job_id, 1, "intent", uuid4())))


def orphaned_in_the_reconciler(job_id: str) -> AfterCommit:
    lose_message(job_id)
    return followed(lambda session: end_all_orphans(session, MANY))


def orphaned_when_it_completes(job_id: str) -> AfterCommit:
    advance(job_id, "persist")
    fence = own(job_id, "persist")
    lose_message(job_id)
    return followed(lambda session: complete(session, fence, DONE))


def orphaned_when_it_fails(job_id: str) -> AfterCommit:
    fence = own(job_id, "intent")
    lose_message(job_id)
    return followed(lambda session: fail(session, fence, "internal", "It broke.", DONE))


ENDS: dict[Callable[[str], AfterCommit], str] = {
    completed: "completed",
    failed: "failed",
    lambda job_id: followed(lambda session: cancel(session, job_id)): "cancelled",
    overdue_at_begin: "expired",
    overdue_in_the_reconciler: "expired",
    poisoned: "failed",
    orphaned_at_begin: "cancelled",
    orphaned_in_the_reconciler: "cancelled",
    orphaned_when_it_completes: "cancelled",
    orphaned_when_it_fails: "cancelled",
}


def lose_message(job_id: str) -> None:
    with unit_of_work() as session:
        session.execute(delete(Message).where(Message.id == read(job_id).message_id))


def lose_conversation(job_id: str) -> None:
    with unit_of_work() as session:
        gone = Conversation.id == read(job_id).conversation_id
        session.execute(delete(Conversation).where(gone))


@pytest.fixture
def line(make_job: MakeJob) -> list[str]:
    """Three jobs of one track."""
    first = make_job()
    conversation = read(first).conversation_id
    return [first, *(make_job(f"more {n}", conversation_id=conversation) for n in range(2))]


def paid_duplicates() -> int:
    with unit_of_work() as session:
        return counters(session).get(("paid_duplicates", ""), 0)


@pytest.mark.parametrize(("end", "status"), ENDS.items())
def test_every_end_releases_the_oldest_blocked_job_in_the_same_transaction(
    line: list[str], end: Callable[[str], AfterCommit], status: str
) -> None:
    first, second, third = line
    assert [read(job).slot for job in line] == ["queued", "blocked", "blocked"]

    after = end(first)

    assert [read(job).slot for job in line] == [None, "queued", "blocked"]
    assert (read(first).status, read(second).queue_lease_s) == (status, 30)
    assert PendingDispatch(second, 1, "intent", "more 0", FIRST) in after.released
    assert first in after.ended
    assert (first in after.cancelled) == (status == "cancelled")
    assert begin_of(second)
    assert not begin_of(third)


def begin_of(job_id: str) -> bool:
    with unit_of_work() as session:
        return begin(session, Fence(job_id, 1, "intent", uuid4())) is not None


def test_a_transaction_that_is_rolled_back_releases_none(line: list[str]) -> None:
    def ends_and_breaks() -> None:
        with unit_of_work() as session:
            assert cancel(session, line[0])
            raise KeyError

    with pytest.raises(KeyError):
        ends_and_breaks()
    assert [read(job).slot for job in line] == ["queued", "blocked", "blocked"]


def test_a_job_whose_message_is_gone_is_passed_over(line: list[str]) -> None:
    first, second, third = line
    lose_message(second)
    assert followed(lambda session: cancel(session, first)).released[0].job_id == third


def test_jobs_whose_conversation_is_gone_end_as_cancelled_wherever_they_are(
    line: list[str],
) -> None:
    advance(line[0], "generate")
    own(line[0], "generate")
    change(line[0], crash_count=MAX_CRASHES - 1, lease_until=now(), partial="The", prompt="Hello")
    lose_conversation(line[0])
    with unit_of_work() as session:
        reap_expired_leases(session, MANY, AT_ONCE)
        assert end_all_orphans(session, MANY) >= 3
    jobs = [read(job) for job in line]
    assert {job.status for job in jobs} == {"cancelled"}
    assert {(job.partial, job.prompt, job.answer) for job in jobs} == {(None, None, None)}


def test_an_answer_to_a_conversation_that_is_gone_is_not_stored(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    fence = own(job_id, "persist")
    lose_conversation(job_id)
    with unit_of_work() as session:
        assert not complete(session, fence, DONE)
    assert (read(job_id).status, read(job_id).answer) == ("cancelled", None)


def test_a_stranded_job_is_found(line: list[str]) -> None:
    with unit_of_work() as session:
        assert release_stranded(session, MANY) == 0
        session.execute(delete(Job).where(Job.id == line[0]))
    with unit_of_work() as session:
        assert release_stranded(session, MANY) == 1
    assert [read(job).slot for job in line[1:]] == ["queued", "blocked"]


def test_what_was_paid_for_twice_is_counted_when_the_job_ends(make_job: MakeJob) -> None:
    before = paid_duplicates()
    job_id = make_job()
    advance(job_id, "generate")
    for _ in range(2):
        with unit_of_work() as session:
            assert hand_back(session, [own(job_id, "generate").token]) == 1
    assert (read(job_id).paid_duplicates, paid_duplicates()) == (2, before)
    with unit_of_work() as session:
        assert cancel(session, job_id)
    assert paid_duplicates() == before + 2


def test_what_a_late_owner_takes_up_was_not_paid_for_twice(make_job: MakeJob) -> None:
    before = paid_duplicates()
    job_id = make_job()
    advance(job_id, "generate")
    late = own(job_id, "generate")
    starts = read(job_id).starts
    with unit_of_work() as session:
        hand_back(session, [late.token])
    with unit_of_work() as session:
        assert adopt(session, late, starts) is not None
        assert cancel(session, job_id)
    assert paid_duplicates() == before


def test_an_end_that_releases_none_costs_one_statement_more(make_job: MakeJob) -> None:
    job_id = make_job()
    advance(job_id, "persist")
    fence = own(job_id, "persist")
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement.split()[0] + " " + statement.split()[1])

    event.listen(get_engine(), "before_cursor_execute", note)
    try:
        with unit_of_work() as session:
            assert complete(session, fence, DONE)
    finally:
        event.remove(get_engine(), "before_cursor_execute", note)
    # The conversation, which is touched anyway, the job and the answer; and the release.
    assert statements == ["WITH touched", "WITH unblocked"]


def acts_on(jobs: list[str], fences: list[Fence]) -> list[Callable[[Any], object]]:
    """What can happen to running jobs of one conversation at the same time."""
    tokens = [fence.token for fence in fences]
    owner = read(jobs[0])
    return [
        lambda session: extend_leases(session, tokens),
        lambda session: extend_leases(session, tokens[::-1]),
        lambda session: save_partials(session, {t: {"partial": "The"} for t in tokens[::-1]}),
        lambda session: hand_back(session, tokens),
        lambda session: fail(session, fences[0], "internal", "It broke.", DONE),
        lambda session: cancel(session, jobs[1]),
        lambda session: end_all_overdue(session, MANY),
        lambda session: delete_conversation(session, owner.user_id, owner.conversation_id or ""),
    ]


def test_ends_and_beats_of_one_conversation_at_once_never_wait_for_each_other(
    make_job: MakeJob, together: Any
) -> None:
    for _ in range(5):
        jobs = [make_job(mind="sage")]
        where = read(jobs[0]).conversation_id
        jobs += [make_job("more", conversation_id=where, mind=mind) for mind in ("muse", "sage")]
        acts = acts_on(jobs, [own(job, "intent") for job in jobs[:2]])
        work = iter(acts)

        def act(work: Any = work) -> None:
            mine = next(work)
            with unit_of_work() as session:
                mine(session)

        together(len(acts), act)
        assert {read(job).slot for job in jobs} == {None}
