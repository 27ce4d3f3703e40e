"""A broadcast and its jobs: their status, their cost, and the kept answer."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from config.minds import MANAGER
from models.broadcasts import Answer, BroadcastJobs, answers_of, keep_answer
from models.history import Turn, track
from models.jobs import Job
from models.lifecycle.endings import cancel, complete, fail
from models.session import unit_of_work
from models.stage_record import StageRecord
from models.users import get_or_create_user
from tasks.jobs.broadcasts import accept, accept_merge
from tasks.jobs.broadcasts import read as read_broadcast
from tasks.jobs.submission import Submission

from .conftest import MakeJob, advance, own

DONE = StageRecord(status="completed", ms=1)
ALL = ("sage", "maker", "muse")

Broadcast = Callable[..., BroadcastJobs]
Read = Callable[[BroadcastJobs], BroadcastJobs]


@pytest.fixture
def user(external_id: str) -> str:
    with unit_of_work() as session:
        return get_or_create_user(session, external_id)


@pytest.fixture
def broadcast(user: str) -> Broadcast:
    """`broadcast(message, *minds, conversation_id=…)`: an accepted broadcast."""

    def make(message: str = "Hello all", *minds: str, **more: Any) -> BroadcastJobs:
        with unit_of_work() as session:
            return accept(session, Submission(user, message, **more), minds or None)

    return make


@pytest.fixture
def read(user: str) -> Read:
    """The current rows of a broadcast."""

    def again(whole: BroadcastJobs) -> BroadcastJobs:
        with unit_of_work() as session:
            return read_broadcast(session, user, whole.broadcast.id)

    return again


@pytest.fixture
def merge(user: str) -> Callable[[BroadcastJobs], str]:
    """`merge(broadcast)`: the id of an accepted merge of its answers."""

    def make(whole: BroadcastJobs) -> str:
        with unit_of_work() as session:
            identity = (session, user, whole.broadcast.id)
            return accept_merge(*identity, metadata={}, deadline_s=None).id

    return make


def answer(job_id: str, text: str) -> str:
    advance(job_id, "persist")
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(answer=text))
    with unit_of_work() as session:
        assert complete(session, own(job_id, "persist"), DONE)
    return job_id


def end(job_id: str, status: str) -> None:
    if status == "completed":
        answer(job_id, "An answer.")
        return
    with unit_of_work() as session:
        if status == "cancelled":
            assert cancel(session, job_id)
        else:
            assert fail(session, own(job_id, "intent"), "internal", "It broke.", DONE)


def turns(job_id: str) -> list[Turn]:
    with unit_of_work() as session:
        return track(session, job_id)


def test_siblings_share_one_message_and_come_in_the_order_of_their_minds(
    broadcast: Broadcast, read: Read
) -> None:
    whole = read(broadcast("Hello", "muse", "sage"))
    assert [job.mind for job in whole.siblings] == ["muse", "sage"]
    assert {job.message_id for job in whole.siblings} == {whole.broadcast.message_id}
    assert [job.mind for job in broadcast().siblings] == list(ALL)


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ((), "queued"),
        (("cancelled",), "queued"),
        (("completed",), "in_progress"),
        (("failed",), "in_progress"),
        (("completed", "completed", "completed"), "completed"),
        (("completed", "failed", "cancelled"), "partial"),
        (("failed", "cancelled", "failed"), "failed"),
        (("cancelled", "cancelled", "cancelled"), "cancelled"),
    ],
)
def test_a_broadcast_is_what_its_siblings_are_together(
    broadcast: Broadcast, read: Read, ends: tuple[str, ...], status: str
) -> None:
    whole = broadcast()
    for job, how in zip(whole.siblings, ends, strict=False):
        end(job.id, how)
    assert read(whole).status == status


def test_one_total_holds_what_siblings_and_merges_cost(
    broadcast: Broadcast, read: Read, merge: Callable[[BroadcastJobs], str]
) -> None:
    whole = broadcast("Hello", "sage", "muse")
    for job in whole.siblings:
        answer(job.id, "Yes.")
    first = answer(merge(whole), "Yes, both.")
    second = answer(merge(whole), "Both.")
    for cost, job_id in enumerate([*(job.id for job in whole.siblings), first, second], start=1):
        with unit_of_work() as session:
            session.execute(
                update(Job)
                .where(Job.id == job_id)
                .values(
                    input_tokens=cost,
                    output_tokens=10 * cost,
                    tokens_saved=100 * cost,
                    cost_usd=Decimal(cost) / 1_000_000,
                    paid_duplicates=cost % 2,
                )
            )
    used = read(whole).usage
    assert (used.input_tokens, used.output_tokens, used.tokens_saved) == (10, 100, 1000)
    assert (used.cost_usd, used.paid_duplicates) == (Decimal("0.000010"), 2)


def test_a_merge_is_none_of_the_siblings_and_the_newest_one_shows(
    broadcast: Broadcast, read: Read, merge: Callable[[BroadcastJobs], str]
) -> None:
    whole = broadcast("Hello", "sage", "muse")
    answer(whole.siblings[0].id, "Yes.")
    end(whole.siblings[1].id, "failed")
    answer(merge(whole), "Yes.")
    newest = merge(whole)
    now = read(whole)
    assert [job.mind for job in now.siblings] == ["sage", "muse"]
    assert now.merge is not None
    assert (now.merge.id, now.merge.mind, now.status) == (newest, MANAGER, "partial")
    assert now.merge.options == {"merges": [whole.siblings[0].id]}
    assert now.merge.message_id == whole.broadcast.message_id


def test_answers_are_read_in_the_order_of_their_minds(broadcast: Broadcast) -> None:
    whole = broadcast("Hello", "muse", "sage", "maker")
    for job in reversed(whole.siblings[:2]):
        answer(job.id, f"{job.mind} says so.")
    with unit_of_work() as session:
        found = answers_of(session, [job.id for job in whole.siblings])
    assert found == [Answer("muse", "muse says so."), Answer("sage", "sage says so.")]


def test_a_merge_that_completes_is_kept_and_one_that_fails_is_not(
    broadcast: Broadcast, read: Read, merge: Callable[[BroadcastJobs], str]
) -> None:
    whole = broadcast("Hello", "sage")
    answer(whole.siblings[0].id, "Yes.")
    assert read(whole).broadcast.kept_job_id is None
    kept = answer(merge(whole), "Yes!")
    end(merge(whole), "failed")
    assert read(whole).broadcast.kept_job_id == kept


def test_a_merge_that_was_cancelled_while_it_was_stored_is_not_kept(
    broadcast: Broadcast, read: Read, merge: Callable[[BroadcastJobs], str]
) -> None:
    whole = broadcast("Hello", "sage")
    answer(whole.siblings[0].id, "Yes.")
    merging = merge(whole)
    advance(merging, "persist")
    fence = own(merging, "persist")
    end(merging, "cancelled")
    with unit_of_work() as session:
        assert not complete(session, fence, DONE)
    assert read(whole).broadcast.kept_job_id is None


def test_a_mind_goes_on_from_its_own_answer_while_none_is_kept(
    broadcast: Broadcast, make_job: MakeJob
) -> None:
    whole = broadcast("First?", "sage", "muse")
    for job in whole.siblings:
        answer(job.id, f"So says {job.mind}.")
    talk = whole.broadcast.conversation_id
    muse = make_job("Second?", mind="muse", conversation_id=talk)
    maker = make_job("Second?", mind="maker", conversation_id=talk)
    assert turns(muse) == [Turn("First?", "So says muse.")]
    assert turns(maker) == []


@pytest.mark.parametrize("mind", [*ALL])
def test_every_mind_continues_from_the_kept_answer_even_one_that_was_not_asked(
    broadcast: Broadcast, make_job: MakeJob, mind: str
) -> None:
    whole = broadcast("First?", "sage", "muse")
    sage, muse = whole.siblings
    answer(sage.id, "So says the sage.")
    end(muse.id, "failed")
    with unit_of_work() as session:
        keep_answer(session, whole.broadcast.id, sage.id)
    talk = whole.broadcast.conversation_id
    answer(make_job("Second?", mind="maker", conversation_id=talk), "Only the maker's.")
    last = make_job("Third?", mind=mind, conversation_id=talk)
    own_turn = [Turn("Second?", "Only the maker's.")] if mind == "maker" else []
    assert turns(last) == [Turn("First?", "So says the sage."), *own_turn]


def test_the_manager_goes_on_from_kept_answers_once_each_and_from_nothing_later(
    broadcast: Broadcast, merge: Callable[[BroadcastJobs], str]
) -> None:
    first = broadcast("First?", "sage", "muse")
    for job in first.siblings:
        answer(job.id, "Yes.")
    answer(merge(first), "Merged once.")
    answer(merge(first), "Merged twice.")
    talk = first.broadcast.conversation_id
    second = broadcast("Second?", "sage", conversation_id=talk)
    third = broadcast("Third?", "sage", conversation_id=talk)
    for whole in (second, third):
        answer(whole.siblings[0].id, "No.")
    answer(merge(third), "Merged third.")
    assert turns(merge(second)) == [Turn("First?", "Merged twice.")]


def test_the_last_answer_that_was_kept_counts(
    broadcast: Broadcast, make_job: MakeJob, merge: Callable[[BroadcastJobs], str]
) -> None:
    whole = broadcast("First?", "sage", "muse")
    for job in whole.siblings:
        answer(job.id, f"So says {job.mind}.")
    answer(merge(whole), "Merged.")
    talk = whole.broadcast.conversation_id
    sage = make_job("Second?", mind="sage", conversation_id=talk)
    assert turns(sage) == [Turn("First?", "Merged.")]
    with unit_of_work() as session:
        keep_answer(session, whole.broadcast.id, whole.siblings[1].id)
    assert turns(sage) == [Turn("First?", "So says muse.")]
