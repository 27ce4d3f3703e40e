"""What is due of the outbox, sent to real receivers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, text, update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from models.ids import first_id_at
from models.session import unit_of_work
from models.webhook_deliveries import WebhookDelivery, disable
from models.webhook_outbox import claim
from models.webhooks import Webhook as Row
from models.webhooks import find_webhook, rotate_secret, shown_secret
from tasks.policies import DELIVER
from tasks.webhooks.attempts import next_wait, send_due

from ..receiver import Receiver
from .conftest import (
    LEASE,
    MakeWebhook,
    add_event,
    error_of,
    make_due,
    read_event,
    read_webhook,
    sent,
    waits_s,
)

WAITING = "wait_event_type = 'Lock' AND datname = current_database()"

# --- a good receiver


def test_an_event_is_sent_once_and_signed(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    webhook = make_webhook(receiver.url)
    delivery = sent(webhook)
    send_due(webhook.id)

    assert (delivery.status, delivery.next_attempt_at, delivery.token) == ("delivered", None, None)
    assert [entry["status_code"] for entry in delivery.log] == [204]
    [request] = receiver.requests
    event = Verifier(shown_secret(webhook)).verify(request.body, request.headers)
    assert event["type"] == "webhook.test"
    assert event["data"] == {"id": webhook.id}
    assert request.headers["webhook-id"] == delivery.event_id
    assert (request.path, request.headers["host"]) == ("/hook", f"127.0.0.1:{receiver.port}")


def test_a_forged_event_is_not_verified(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    webhook = make_webhook(receiver.url)
    sent(webhook)
    [request] = receiver.requests
    with pytest.raises(WebhookVerificationError):
        Verifier(shown_secret(webhook)).verify(request.body + b" ", request.headers)


def test_both_secrets_verify_while_one_is_rotated(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook = make_webhook(receiver.url)
    with unit_of_work() as session:
        rotate_secret(session, session.merge(webhook), timedelta(hours=1))
    after = read_webhook(webhook)
    sent(after)
    [request] = receiver.requests
    for either in (webhook, after):
        Verifier(shown_secret(either)).verify(request.body, request.headers)


def test_the_old_secret_signs_no_longer_than_it_overlaps(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook = make_webhook(receiver.url)
    with unit_of_work() as session:
        rotate_secret(session, session.merge(webhook), timedelta(hours=1))
        session.execute(update(Row).filter_by(id=webhook.id).values(previous_until=Row.created_at))
    sent(webhook)
    [request] = receiver.requests
    assert len(request.headers["webhook-signature"].split()) == 1
    with pytest.raises(WebhookVerificationError):
        Verifier(shown_secret(webhook)).verify(request.body, request.headers)


def test_everything_that_is_due_is_sent_the_oldest_first(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook = make_webhook(receiver.url)
    events = [add_event(webhook) for _ in range(5)]
    send_due(webhook.id)
    assert [request.headers["webhook-id"] for request in receiver.requests] == events


# --- retries


def test_a_failure_is_tried_again_with_the_same_id_and_body(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook, receiver.status = make_webhook(receiver.url), 500
    failed = sent(webhook)
    assert (failed.status, error_of(failed)) == ("pending", "refused")
    assert waits_s(failed) == pytest.approx(DELIVER.waits_s[0], rel=0.5)

    send_due(webhook.id)
    assert len(receiver.requests) == 1, "it was not due yet"
    receiver.status = 200
    make_due(webhook)
    assert sent(webhook, failed.event_id).status == "delivered"
    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_waits_grow_until_72_hours_are_over(make_webhook: MakeWebhook) -> None:
    webhook = make_webhook("http://127.0.0.1:9/hook")
    add_event(webhook)
    with unit_of_work() as session:
        attempt = claim(session, webhook.id, LEASE, of_webhook=1, of_user=1)
    assert attempt is not None
    elapsed, waits = 0.0, list[float]()
    while wait := next_wait(replace(attempt, began_s_ago=elapsed, number=len(waits) + 1), None, 0):
        waits.append(wait.total_seconds())
        elapsed += waits[-1]
    assert waits[:-1] == list(DELIVER.waits_s[:-1])
    assert elapsed == 72 * 3600


def test_the_last_failure_ends_it(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    webhook, receiver.status = make_webhook(receiver.url), 500
    event_id = add_event(webhook)
    make_due(webhook, began_at=WebhookDelivery.created_at - timedelta(hours=72))
    delivery = sent(webhook, event_id)
    assert (delivery.status, delivery.next_attempt_at) == ("failed", None)
    assert delivery.ended_at is not None


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_receiver_says_when_to_try_again(
    make_webhook: MakeWebhook, receiver: Receiver, status: int
) -> None:
    receiver.status, receiver.headers = status, {"Retry-After": "1800"}
    assert waits_s(sent(make_webhook(receiver.url))) == pytest.approx(1800, abs=30)


def test_410_disables_the_webhook_and_ends_its_deliveries(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook, receiver.status = make_webhook(receiver.url), 410
    first, second = add_event(webhook), add_event(webhook)
    send_due(webhook.id)
    after = read_webhook(webhook)
    assert (after.disabled_reason, after.disabled_at is None) == ("gone", False)
    assert {read_event(webhook, each).status for each in (first, second)} == {"failed"}
    assert len(receiver.requests) == 1


def test_410_while_its_owner_disables_the_webhook(
    make_webhook: MakeWebhook, receiver: Receiver, until: Callable[..., None]
) -> None:
    webhook, receiver.status = make_webhook(receiver.url), 410
    event_id = add_event(webhook)
    with ThreadPoolExecutor(1) as thread:
        with unit_of_work() as session:
            assert find_webhook(session, webhook.user_id, webhook.id, lock=True)
            sending = thread.submit(send_due, webhook.id)
            until(a_statement_waits)
            # The attempt must have locked nothing that this needs.
            session.execute(text("SET LOCAL lock_timeout = '500ms'"))
            disable(session, webhook.id, "disabled")
        sending.result()
    assert read_webhook(webhook).disabled_reason == "disabled"
    assert read_event(webhook, event_id).status == "failed"


def a_statement_waits() -> bool:
    with unit_of_work() as session:
        found = session.execute(text(f"SELECT 1 FROM pg_stat_activity WHERE {WAITING}"))
        return found.first() is not None


@pytest.mark.parametrize(
    ("failed", "delivered", "reason"),
    [(6, None, "failing"), (6, 6, "failing"), (6, 4, None), (4, None, None), (None, None, None)],
)
def test_a_webhook_to_which_nothing_was_delivered_for_days_is_disabled(
    make_webhook: MakeWebhook,
    receiver: Receiver,
    failed: int | None,
    delivered: int | None,
    reason: str | None,
) -> None:
    """The days are those before this delivery is given up."""
    webhook, receiver.status = make_webhook(receiver.url), 500
    for status, days in (("failed", failed), ("delivered", delivered)):
        if days is not None:
            let_be_days_old(webhook, add_event(webhook), days, status)
    event_id, later = add_event(webhook), add_event(webhook)
    give_up(webhook, event_id)

    send_due(webhook.id)

    assert read_event(webhook, event_id).status == "failed"
    after = read_webhook(webhook)
    assert (after.disabled_reason, after.disabled_at is None) == (reason, reason is None)
    assert read_event(webhook, later).status == ("failed" if reason else "pending")


def let_be_days_old(webhook: Row, event_id: str, days: int, status: str) -> None:
    old_id = first_id_at("evt", datetime.now(UTC) - timedelta(days=days))
    columns = {
        "event_id": old_id,
        "status": status,
        "next_attempt_at": None,
        "ended_at": func.now(),
    }
    with unit_of_work() as session:
        this = update(WebhookDelivery).filter_by(webhook_id=webhook.id, event_id=event_id)
        session.execute(this.values(**columns))


def give_up(webhook: Row, event_id: str) -> None:
    """Let its next attempt be its last one."""
    columns = {
        "next_attempt_at": WebhookDelivery.created_at - timedelta(hours=1),
        "began_at": WebhookDelivery.created_at - timedelta(hours=72),
    }
    with unit_of_work() as session:
        this = update(WebhookDelivery).filter_by(webhook_id=webhook.id, event_id=event_id)
        session.execute(this.values(**columns))


def test_410_of_one_jobs_url_ends_that_delivery_alone(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook, receiver.status = make_webhook(None), 410
    event_id = add_event(webhook)
    make_due(webhook, url=receiver.url)
    assert sent(webhook, event_id).status == "failed"
    assert read_webhook(webhook).disabled_at is None


# --- what is claimed


def test_an_attempt_whose_process_died_is_made_again_with_the_same_id(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook = make_webhook(receiver.url)
    event_id = add_event(webhook)
    with unit_of_work() as session:
        assert claim(session, webhook.id, LEASE, of_webhook=1, of_user=1) is not None
    send_due(webhook.id)
    assert receiver.requests == []
    make_due(webhook)  # its lease has expired
    assert sent(webhook, event_id).status == "delivered"
    assert [request.headers["webhook-id"] for request in receiver.requests] == [event_id]
