"""Budgets on the real SQL: reserved when a job is accepted, settled by whatever ends it."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from threading import Thread

import pytest
from sqlalchemy import delete, text, update

from config.settings import get_settings
from models.conflicts import ConversationBusy
from models.conversations import Conversation, Message
from models.errors import BudgetExceeded
from models.jobs import Job
from models.lifecycle.deletion import delete_conversation
from models.lifecycle.endings import cancel, complete, fail
from models.lifecycle.fence import Fence, now
from models.lifecycle.reconciliation import (
    MAX_CRASHES,
    end_all_orphans,
    end_all_overdue,
    reap_expired_leases,
)
from models.lifecycle.transitions import begin, checkpoint
from models.session import unit_of_work
from models.spend import settle_left
from models.spent import Spent, add_late
from models.stage_record import StageRecord
from models.users import get_or_create_user
from tasks.jobs import broadcasts
from tasks.jobs.commands import retry
from tasks.jobs.submission import Submission, accept
from tasks.worker.bookkeeper import keep_books

from ..budgets import MOST, budgeted, give, months, used
from ..commits import unfollowed
from .conftest import MakeJob, advance, own, read
from .test_completion import alone, try_complete

DONE = StageRecord(status="completed", ms=1)
PAID = Spent(10, 20, Decimal("0.003"))
PAST = timedelta(hours=1)
MICRO = Decimal("0.000001")


@pytest.fixture(autouse=True)
def budget(quiet: None) -> Iterator[None]:
    """Every user of these tests has a budget."""
    with budgeted():
        yield


def change(job_id: str, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def paid(job_id: str) -> Fence:
    """Begin the first stage, pay, and begin the next."""
    fence = own(job_id, "intent")
    with unit_of_work() as session:
        assert checkpoint(session, fence, DONE, {}, 3, PAID) is not None
    return own(job_id, "compress")


def test_a_job_reserves_what_it_may_cost_at_most(make_job: MakeJob, external_id: str) -> None:
    job = read(make_job())
    assert (job.reserved_usd, used(external_id)) == (MOST, (MOST, 0))
    assert job.budget_month == job.created_at.date().replace(day=1)


def completes(job_id: str) -> None:
    advance(job_id, "persist")
    change(job_id, cost_usd=PAID.cost_usd)
    with unit_of_work() as session:
        assert complete(session, own(job_id, "persist"), DONE)


def fails(job_id: str) -> None:
    fence = own(job_id, "intent")
    with unit_of_work() as session:
        assert fail(session, fence, "internal", "It broke.", DONE, spent=PAID)


def is_cancelled(job_id: str) -> None:
    paid(job_id)
    with unit_of_work() as session:
        assert cancel(session, job_id)


def fails_late(job_id: str) -> None:
    fence = paid(job_id)
    change(job_id, expires_at=now() - PAST, slot="queued", queue_lease_until=now())
    with unit_of_work() as session:
        assert end_all_overdue(session, 100) == 1
    assert begins_nothing(fence)


def begins_nothing(fence: Fence) -> bool:
    with unit_of_work() as session:
        return begin(session, fence) is None


def loses_its_conversation(job_id: str) -> None:
    paid(job_id)
    with unit_of_work() as session:
        session.execute(delete(Conversation).where(Conversation.id == read(job_id).conversation_id))
    with unit_of_work() as session:
        assert end_all_orphans(session, 100) == 1


def loses_its_message_while_it_fails(job_id: str) -> None:
    fence = paid(job_id)
    with unit_of_work() as session:
        session.execute(delete(Message).where(Message.id == read(job_id).message_id))
    with unit_of_work() as session:
        assert not fail(session, fence, "internal", "It broke.", DONE)


def is_deleted(job_id: str) -> None:
    paid(job_id)
    job = read(job_id)
    with unit_of_work() as session:
        assert delete_conversation(session, job.user_id, job.conversation_id or "")


def is_poison(job_id: str) -> None:
    paid(job_id)
    change(job_id, crash_count=MAX_CRASHES - 1, lease_until=now() - PAST)
    with unit_of_work() as session:
        assert reap_expired_leases(session, 100, settled=timedelta(0)) == 1


def is_interrupted(job_id: str) -> None:
    paid(job_id)
    job = read(job_id)
    interrupting = Conversation.id == job.conversation_id
    with unfollowed(), unit_of_work() as session:
        session.execute(update(Conversation).where(interrupting).values(on_busy="interrupt"))
        newer = accept(session, Submission(job.user_id, "Again", job.conversation_id)).id
        cancel(session, newer)


ENDS: dict[str, Callable[[str], None]] = {
    end.__name__: end
    for end in (
        completes,
        fails,
        is_cancelled,
        fails_late,
        loses_its_conversation,
        loses_its_message_while_it_fails,
        is_deleted,
        is_poison,
        is_interrupted,
    )
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_settles_it(make_job: MakeJob, external_id: str, end: str) -> None:
    job_id = make_job()

    ENDS[end](job_id)

    job = read(job_id)
    assert (job.slot, job.reserved_usd, job.cost_usd) == (None, None, PAID.cost_usd)
    assert used(external_id) == (0, PAID.cost_usd)


def test_a_job_that_never_started_costs_nothing(make_job: MakeJob, external_id: str) -> None:
    job_id = make_job()
    change(job_id, expires_at=now() - PAST)
    with unit_of_work() as session:
        assert end_all_overdue(session, 100) == 1
    assert (read(job_id).status, used(external_id)) == ("expired", (0, 0))


def test_a_completion_in_one_statement_settles_too(make_job: MakeJob, external_id: str) -> None:
    job_id, other = make_job(), make_job()
    fence, since = alone(job_id)
    for _ in range(2):  # the second finds it done
        paid_now = try_complete(fence, since, f"msg_{job_id}", MOST)
        assert paid_now is not None
    cost = read(job_id).cost_usd
    assert (read(job_id).status, read(job_id).reserved_usd) == ("completed", None)
    assert (cost, used(external_id)) == (paid_now.cost_usd, (MOST, cost))
    assert read(other).reserved_usd == MOST


@pytest.mark.parametrize("reserved", [None, MOST + PAID.cost_usd])
def test_a_completion_in_one_statement_that_knows_another_reservation_is_none(
    make_job: MakeJob, external_id: str, reserved: Decimal | None
) -> None:
    job_id = make_job()
    fence, since = alone(job_id)
    assert try_complete(fence, since, reserved=reserved) is None
    assert (read(job_id).status, used(external_id)) == ("in_progress", (MOST, 0))


def test_completions_in_one_statement_and_submissions_at_once_lose_nothing(
    make_job: MakeJob, external_id: str, together: Callable[..., list[object]]
) -> None:
    ids = [make_job() for _ in range(6)]
    started = [alone(job_id) for job_id in ids]

    def complete_one() -> None:
        assert try_complete(*started.pop(), reserved=MOST) is not None
        accepted(external_id)

    with budgeted(Decimal(100)):
        together(6, complete_one)
    cost = sum(read(job_id).cost_usd for job_id in ids)
    assert cost > 0
    assert used(external_id) == (6 * MOST, cost)


def test_a_late_bill_of_an_ended_job_is_settled_too(make_job: MakeJob, external_id: str) -> None:
    job_id = make_job()
    fence = paid(job_id)
    with unit_of_work() as session:
        assert cancel(session, job_id)
    with unit_of_work() as session:
        add_late(session, fence, 0, PAID)
    assert (read(job_id).cost_usd, used(external_id)) == (
        2 * PAID.cost_usd,
        (0, 2 * PAID.cost_usd),
    )


def test_a_late_bill_of_an_unfinished_job_is_settled_at_its_end(
    make_job: MakeJob, external_id: str
) -> None:
    job_id = make_job()
    with unit_of_work() as session:
        add_late(session, paid(job_id), 0, PAID)
    # What the next call may cost stays reserved.
    assert used(external_id) == (MOST + PAID.cost_usd, 0)
    assert read(job_id).reserved_usd == MOST + PAID.cost_usd
    with unit_of_work() as session:
        assert cancel(session, job_id)
    assert used(external_id) == (0, 2 * PAID.cost_usd)


def test_a_retry_reserves_anew(make_job: MakeJob, external_id: str) -> None:
    job_id = make_job()
    fails(job_id)
    with unfollowed(), unit_of_work() as session:
        again = retry(session, read(job_id).user_id, job_id).id
    assert used(external_id) == (MOST, PAID.cost_usd)
    assert read(again).reserved_usd == MOST


def test_what_is_not_left_is_refused_with_what_is(external_id: str) -> None:
    with budgeted(MOST * 3 / 2), unfollowed():
        user = accepted(external_id)
        with pytest.raises(BudgetExceeded, match=rf"up to \${MOST:.6f}.*\${MOST / 2:.6f} is left"):
            accepted(external_id)
        with unit_of_work() as session:
            assert session.query(Job).filter_by(user_id=user).count() == 1


def accepted(external_id: str) -> str:
    with unfollowed(), unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        accept(session, Submission(user, "Hello"))
        return user


def test_siblings_are_all_accepted_or_none(external_id: str) -> None:
    with budgeted(MOST * 2), unfollowed():
        with unit_of_work() as session:
            user = get_or_create_user(session, external_id)
        with pytest.raises(BudgetExceeded), unit_of_work() as session:
            broadcasts.accept(session, Submission(user, "Hello"), None)
        assert used(external_id) is None
        with unit_of_work() as session:
            broadcasts.accept(session, Submission(user, "Hello"), ["sage", "muse"])
        assert used(external_id) == (2 * MOST, 0)


def test_a_merge_reserves_for_the_answers_that_it_reads(external_id: str) -> None:
    with unfollowed(), unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        whole = broadcasts.accept(session, Submission(user, "Hello"), ["sage", "muse"])
        broadcast_id, ids = whole.broadcast.id, [job.id for job in whole.jobs]
    for job_id in ids:
        completes(job_id)
    with unfollowed(), unit_of_work() as session:
        merge = broadcasts.accept_merge(
            session, user, broadcast_id, metadata={}, deadline_s=None
        ).id
    assert read(merge).reserved_usd == MOST
    assert used(external_id) == (MOST, 2 * PAID.cost_usd)


def test_a_refused_submission_reserves_nothing(make_job: MakeJob, external_id: str) -> None:
    job = read(make_job())
    with unit_of_work() as session:
        this = Conversation.id == job.conversation_id
        session.execute(update(Conversation).where(this).values(on_busy="reject"))
    with pytest.raises(ConversationBusy), unit_of_work() as session:
        accept(session, Submission(job.user_id, "Again", job.conversation_id))
    assert used(external_id) == (MOST, 0)


def test_without_a_budget_nothing_is_reserved(external_id: str) -> None:
    with budgeted(Decimal(0)):
        accepted(external_id)
    assert used(external_id) is None


def test_a_job_is_paid_for_by_the_month_in_which_it_was_accepted(
    make_job: MakeJob, external_id: str
) -> None:
    job_id, before = make_job(), date(2026, 1, 1)
    change(job_id, budget_month=before)
    with unit_of_work() as session:
        moved = "UPDATE spend_months SET month = :to WHERE user_id = :user"
        session.execute(text(moved), {"to": before, "user": read(job_id).user_id})
    make_job()
    completes(job_id)
    this = read(job_id).created_at.date().replace(day=1)
    assert months(external_id) == {before: (0, PAID.cost_usd), this: (MOST, 0)}


def test_what_an_older_worker_has_ended_unsettled_is_settled_once(
    make_job: MakeJob, external_id: str
) -> None:
    job_id = make_job()
    ended = {"slot": None, "queue_lease_until": None, "completed_at": now()}
    change(job_id, status="cancelled", cost_usd=PAID.cost_usd, **ended)
    keep_books()
    assert used(external_id) == (0, PAID.cost_usd)
    with unit_of_work() as session:
        assert settle_left(session, 100) == 0


def test_however_many_submit_at_once_the_budget_is_not_exceeded(
    external_id: str, together: Callable[..., list[object]]
) -> None:
    def submit() -> bool:
        try:
            accepted(external_id)
        except BudgetExceeded:
            return False
        return True

    with budgeted(MOST * 7):
        assert together(16, submit).count(True) == 7
    assert used(external_id) == (7 * MOST, 0)


def test_a_user_who_submits_keeps_no_other_waiting(external_id: str) -> None:
    other = f"other-{external_id}"
    accepted(external_id)
    with unfollowed(), unit_of_work() as session:
        accept(session, Submission(get_or_create_user(session, external_id), "Hello"))
        thread = Thread(target=accepted, args=[other])
        thread.start()
        thread.join(10)
        assert used(other) == (MOST, 0)
    assert used(external_id) == (2 * MOST, 0)


def test_submissions_and_ends_at_once_lose_nothing(
    external_id: str, make_job: MakeJob, together: Callable[..., list[object]]
) -> None:
    def life() -> None:
        for end in (completes, fails, is_cancelled):
            end(make_job())

    together(4, life)
    assert used(external_id) == (0, 12 * PAID.cost_usd)


def test_the_whole_budget_can_be_used(external_id: str) -> None:
    with budgeted(MOST * 2):
        for _ in range(2):
            accepted(external_id)
        assert used(external_id) == (2 * MOST, 0)


def test_a_model_that_costs_nothing_needs_no_budget(external_id: str) -> None:
    with budgeted(Decimal("0.000001")), pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPENAI_API_KEY")
        get_settings.cache_clear()
        accepted(external_id)
    assert used(external_id) is None


def test_a_user_s_own_budget_replaces_that_of_all(make_job: MakeJob, external_id: str) -> None:
    give(external_id, MOST)
    make_job()
    with pytest.raises(BudgetExceeded, match=f"Of your .{MOST:.6f}"):
        make_job()
    give(external_id, MOST * 2)
    make_job()
    assert used(external_id) == (MOST * 2, 0)
