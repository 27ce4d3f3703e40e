"""The outbox of webhooks: an event for each end of a job, in the transaction of that end."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update

from models.jobs import Job
from models.lifecycle.completion import Completion, complete_at_once
from models.lifecycle.endings import cancel, complete, fail
from models.lifecycle.fence import Fence
from models.lifecycle.reconciliation import end_all_orphans, end_all_overdue
from models.lifecycle.survey import survey
from models.lifecycle.transitions import begin
from models.session import statements, unit_of_work
from models.spent import NOTHING
from models.stage_record import StageRecord
from models.users import User, get_or_create_user
from models.webhook_deletion import delete_webhook
from models.webhook_deliveries import WebhookDelivery, add_test_event, disable
from models.webhook_outbox import KEPT_FOR, claim, prune, take_due
from models.webhooks import Webhook, create_webhook
from tasks.jobs.commands import delete_conversation

from .conftest import MakeJob, advance, own, read

URL = "https://example.com/hook"
DONE = StageRecord(status="completed", ms=1)
LEASE = timedelta(seconds=60)


@pytest.fixture
def webhook(external_id: str) -> Webhook:
    """A webhook of this test's user, for every event."""
    return new_webhook(external_id)


def new_webhook(external_id: str, url: str | None = URL, *events: str) -> Webhook:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_webhook(session, user_id, url, list(events) or None)


def events(webhook: Webhook) -> list[WebhookDelivery]:
    with unit_of_work() as session:
        mine = select(WebhookDelivery).filter_by(webhook_id=webhook.id)
        return list(session.scalars(mine.order_by(WebhookDelivery.event_id)))


def completes_at_once(job_id: str) -> Completion | None:
    advance(job_id, "generate")
    fence = Fence(job_id, 1, "generate", uuid4())
    with unit_of_work() as session:
        begun = begin(session, fence)
    assert begun is not None
    assert begun.alone_since is not None
    with statements() as connection:
        return complete_at_once(
            connection,
            fence,
            {"generate": DONE, "persist": DONE},
            {"answer": "Yes."},
            20,
            alone=begun.alone_since,
            answer_id=f"msg_{uuid4()}",
            spent=NOTHING,
        )


def completes(job_id: str) -> None:
    advance(job_id, "persist")
    fence = own(job_id, "persist")
    with unit_of_work() as session:
        assert complete(session, fence, DONE)


def fails(job_id: str) -> None:
    fence = own(job_id, "intent")
    with unit_of_work() as session:
        assert fail(session, fence, "internal", "It broke.", DONE)


def is_cancelled(job_id: str) -> None:
    with unit_of_work() as session:
        assert cancel(session, job_id)


def expires(job_id: str) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).filter_by(id=job_id).values(expires_at=Job.created_at))
    with unit_of_work() as session:
        assert end_all_overdue(session, 100) >= 1


def loses_its_conversation(job_id: str) -> None:
    job = read(job_id)
    with unit_of_work() as session:
        delete_conversation(session, job.user_id, job.conversation_id or "")


def is_orphaned(job_id: str) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).filter_by(id=job_id).values(message_id=None))
    with unit_of_work() as session:
        assert end_all_orphans(session, 100) >= 1


ENDS: list[tuple[Callable[[str], object], str]] = [
    (completes_at_once, "completed"),
    (completes, "completed"),
    (fails, "failed"),
    (is_cancelled, "cancelled"),
    (loses_its_conversation, "cancelled"),
    (is_orphaned, "cancelled"),
    (expires, "expired"),
]


@pytest.mark.parametrize(("end", "status"), ENDS, ids=[end.__name__ for end, _ in ENDS])
def test_every_end_adds_one_event(
    webhook: Webhook, make_job: MakeJob, end: Callable[[str], object], status: str
) -> None:
    job_id = make_job()
    conversation_id = read(job_id).conversation_id
    assert events(webhook) == []
    end(job_id)
    [event] = events(webhook)
    assert event.event_id == job_id.replace("job_", "evt_")
    assert (event.type, event.job_id, event.status) == (f"job.{status}", job_id, "pending")
    of_end = {"id": job_id, "status": status, "broadcast_id": None}
    gone = None if end is loses_its_conversation else conversation_id
    assert event.data == of_end | {"conversation_id": event.data["conversation_id"]}
    assert event.data["conversation_id"] in (gone, conversation_id)


def test_the_completion_at_once_says_whom_to_notify(webhook: Webhook, make_job: MakeJob) -> None:
    completed = completes_at_once(make_job())
    assert completed is not None
    assert completed.webhooks == (webhook.id,)


def test_a_user_without_webhooks_has_no_events(make_job: MakeJob) -> None:
    completed = completes_at_once(make_job())
    assert completed is not None
    assert completed.webhooks == ()


@pytest.mark.parametrize("end", [completes_at_once, completes], ids=["at once", "by persist"])
def test_events_are_for_those_who_want_them(
    external_id: str, make_job: MakeJob, end: Callable[[str], object]
) -> None:
    wanted = [new_webhook(external_id, URL, "job.completed") for _ in range(2)]
    others = [
        new_webhook(external_id, URL, "job.failed"),
        new_webhook(external_id, None),  # the job names no URL
        new_webhook(f"other-{external_id}"),
        new_webhook(external_id),
    ]
    with unit_of_work() as session:
        disable(session, others[-1].id, "disabled")
    end(make_job())
    first, second = ([event.event_id for event in events(each)] for each in wanted)
    assert first == second
    assert len(first) == 1
    assert [events(each) for each in others] == [[], [], [], []]


@pytest.mark.parametrize(("end", "status"), ENDS, ids=[end.__name__ for end, _ in ENDS])
def test_the_url_of_a_job_is_notified_of_every_end(
    external_id: str, make_job: MakeJob, end: Callable[[str], object], status: str
) -> None:
    unsigned, signing = make_job(webhook_url=URL), new_webhook(external_id, None)
    own_url = new_webhook(external_id, "https://example.org/")
    end(unsigned)
    [event], [own] = events(signing), events(own_url)
    assert (event.url, event.type) == (URL, f"job.{status}")
    assert own.url is None


def test_an_end_that_is_rolled_back_leaves_no_event(webhook: Webhook, make_job: MakeJob) -> None:
    job_id = make_job()
    with unit_of_work() as session:
        assert cancel(session, job_id)
        session.rollback()
    assert events(webhook) == []


def test_a_deleted_webhook_or_user_gets_nothing(
    webhook: Webhook, make_job: MakeJob, external_id: str
) -> None:
    other = new_webhook(external_id)
    is_cancelled(make_job())
    with unit_of_work() as session:
        assert delete_webhook(session, webhook.user_id, webhook.id)
    assert (events(webhook), len(events(other))) == ([], 1)
    with unit_of_work() as session:
        session.execute(delete(User).filter_by(id=other.user_id))
    assert events(other) == []


# --- what is due


def add_events(webhook: Webhook, number: int) -> None:
    with unit_of_work() as session:
        for _ in range(number):
            add_test_event(session, webhook)


def due() -> list[str]:
    with unit_of_work() as session:
        return take_due(session, 100, LEASE)


def test_a_look_finds_each_webhook_once_for_a_while(external_id: str) -> None:
    one, two, idle = (new_webhook(external_id) for _ in range(3))
    for webhook in (one, two):
        add_events(webhook, 3)
    found = due()
    assert {one.id, two.id} <= set(found)
    assert len(found) == len(set(found))
    assert idle.id not in found
    assert not {one.id, two.id} & set(due())


def test_a_survey_sees_what_is_due_and_what_is_old(webhook: Webhook) -> None:
    with unit_of_work() as session:
        session.execute(delete(WebhookDelivery))
    assert not survey().webhooks
    add_events(webhook, 1)
    assert survey().webhooks
    ended = WebhookDelivery.created_at - KEPT_FOR
    with unit_of_work() as session:
        session.execute(update(WebhookDelivery).values(next_attempt_at=None, ended_at=ended))
    assert survey().webhooks
    with unit_of_work() as session:
        assert prune(session, 100) == 1
    assert not survey().webhooks


def test_what_has_just_ended_is_kept(webhook: Webhook) -> None:
    add_events(webhook, 1)
    with unit_of_work() as session:
        disable(session, webhook.id, "disabled")
        prune(session, 100)
    assert [event.status for event in events(webhook)] == ["failed"]


def test_an_event_for_a_webhook_that_was_just_disabled_ends(webhook: Webhook) -> None:
    with unit_of_work() as session:
        disable(session, webhook.id, "disabled")
    add_events(webhook, 1)
    with unit_of_work() as session:
        assert claim(session, webhook.id, LEASE, of_webhook=1, of_user=1) is None
    assert [event.status for event in events(webhook)] == ["failed"]


def test_a_user_has_so_many_attempts_at_once(external_id: str) -> None:
    webhooks = [new_webhook(external_id) for _ in range(3)]
    for webhook in webhooks:
        add_events(webhook, 3)
    claimed = []
    for webhook in webhooks * 3:
        with unit_of_work() as session:
            claimed.append(claim(session, webhook.id, LEASE, of_webhook=2, of_user=5))
    made = [attempt.webhook_id for attempt in claimed if attempt is not None]
    assert len(made) == 5
    assert max(made.count(webhook.id) for webhook in webhooks) == 2


def test_claims_that_race_exceed_no_limit(
    webhook: Webhook, together: Callable[..., list[object]]
) -> None:
    add_events(webhook, 8)

    def race() -> object:
        with unit_of_work() as session:
            return claim(session, webhook.id, LEASE, of_webhook=2, of_user=6)

    claimed = [each for each in together(4, race) if each is not None]
    assert len(claimed) == 2
