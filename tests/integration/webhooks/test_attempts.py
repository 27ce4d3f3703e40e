"""What is due of the outbox, sent to real receivers."""

import socket
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from models.session import unit_of_work
from models.webhook_deliveries import WebhookDelivery
from models.webhook_outbox import claim
from models.webhooks import Webhook as Row
from models.webhooks import delete_webhook, rotate_secret, shown_secret
from tasks.policies import DELIVER
from tasks.webhooks.attempts import next_wait, send_due
from tasks.webhooks.request import Reply, send

from ..receiver import Receiver, receiving
from .conftest import MakeWebhook, add_event, read_event, read_webhook, waits_s

LEASE = timedelta(seconds=60)


def sent(webhook: Row, event_id: str | None = None) -> WebhookDelivery:
    """Send what is due to a webhook; returns the event's delivery."""
    event_id = event_id or add_event(webhook)
    send_due(webhook.id)
    return read_event(webhook, event_id)


def make_due(webhook: Row, **columns: Any) -> None:
    """Make all deliveries of a webhook due."""
    past = {"next_attempt_at": WebhookDelivery.created_at} | columns
    with unit_of_work() as session:
        session.execute(update(WebhookDelivery).filter_by(webhook_id=webhook.id).values(**past))


def error_of(delivery: WebhookDelivery) -> str:
    return str(delivery.log[-1]["error"])


# --- a good receiver


def test_an_event_is_sent_once_and_signed(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    webhook = make_webhook(receiver.url)
    delivery = sent(webhook)
    send_due(webhook.id)

    assert (delivery.status, delivery.next_attempt_at, delivery.token) == ("delivered", None, None)
    assert [entry["status_code"] for entry in delivery.log] == [204]
    [request] = receiver.requests
    event = Verifier(shown_secret(webhook.secret)).verify(request.body, request.headers)
    assert event["type"] == "webhook.test"
    assert event["data"] == {"id": webhook.id}
    assert request.headers["webhook-id"] == delivery.event_id
    assert (request.path, request.headers["host"]) == ("/hook", f"127.0.0.1:{receiver.port}")


def test_a_forged_event_is_not_verified(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    webhook = make_webhook(receiver.url)
    sent(webhook)
    [request] = receiver.requests
    with pytest.raises(WebhookVerificationError):
        Verifier(shown_secret(webhook.secret)).verify(request.body + b" ", request.headers)


def test_both_secrets_verify_while_one_is_rotated(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook = make_webhook(receiver.url)
    with unit_of_work() as session:
        rotate_secret(session, session.merge(webhook), timedelta(hours=1))
    after = read_webhook(webhook)
    sent(after)
    [request] = receiver.requests
    for secret in (webhook.secret, after.secret):
        Verifier(shown_secret(secret)).verify(request.body, request.headers)


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
        Verifier(shown_secret(webhook.secret)).verify(request.body, request.headers)


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


def test_410_of_one_jobs_url_ends_that_delivery_alone(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook, receiver.status = make_webhook(None), 410
    event_id = add_event(webhook)
    make_due(webhook, url=receiver.url)
    assert sent(webhook, event_id).status == "failed"
    assert read_webhook(webhook).disabled_at is None


# --- addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "169.254.169.254"])
def test_a_private_address_gets_nothing(
    make_webhook: MakeWebhook, receiver: Receiver, allow_private: Any, host: str
) -> None:
    webhook = make_webhook(f"https://{host}:{receiver.port}/hook")
    allow_private(False)
    assert error_of(sent(webhook)) == "private_address"
    assert receiver.requests == []


def test_an_address_that_was_allowed_is_refused_at_the_next_try(
    make_webhook: MakeWebhook, receiver: Receiver, allow_private: Any
) -> None:
    webhook, receiver.status = make_webhook(receiver.url), 500
    failed = sent(webhook)
    allow_private(False)
    make_due(webhook)
    assert error_of(sent(webhook, failed.event_id)) == "private_address"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("to", ["itself", "another"])
def test_a_redirect_is_not_followed(make_webhook: MakeWebhook, receiver: Receiver, to: str) -> None:
    with receiving() as other:
        receiver.status = 307
        receiver.headers = {"Location": receiver.url if to == "itself" else other.url}
        delivery = sent(make_webhook(receiver.url))
        assert (delivery.status, error_of(delivery)) == ("pending", "redirected")
        assert (len(receiver.requests), other.requests) == (1, [])


def test_a_name_without_an_address_is_a_failure(make_webhook: MakeWebhook) -> None:
    assert error_of(sent(make_webhook("http://no-such-host.invalid/"))) == "unresolvable"


def test_a_server_without_tls_is_a_failure(make_webhook: MakeWebhook) -> None:
    with receiving() as plain:
        assert error_of(sent(make_webhook(f"https://localhost:{plain.port}/"))) == (
            "connection_failed"
        )


# --- receivers that hold up


def sent_in_haste(webhook: Row) -> Reply:
    """Send an event with a limit of half a second."""
    add_event(webhook)
    with unit_of_work() as session:
        attempt = claim(session, webhook.id, LEASE, of_webhook=1, of_user=1)
    assert attempt is not None
    return send(attempt, allow_private=True, limit_s=0.5)


def test_a_receiver_that_hangs_is_left(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    receiver.respond = lambda _: receiver.over.wait(30)
    assert sent_in_haste(make_webhook(receiver.url)).error == "timeout"


def test_a_head_that_drips_is_left(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    def drip(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not receiver.over.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    receiver.respond = drip
    assert sent_in_haste(make_webhook(receiver.url)).error == "timeout"


def test_a_body_without_end_is_not_read(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    written, closed = [0], threading.Event()

    def flood(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        try:
            while not receiver.over.is_set():
                written[0] += handler.wfile.write(b"x" * 65536)
        except ConnectionError:
            closed.set()

    receiver.respond = flood
    assert sent(make_webhook(receiver.url)).status == "delivered"
    assert closed.wait(10)
    assert written[0] < 10_000_000_000


def test_a_head_without_end_is_refused(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    def flood(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not receiver.over.is_set():
            handler.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")

    receiver.respond = flood
    assert error_of(sent(make_webhook(receiver.url))) == "bad_response"


def test_what_is_no_http_is_a_failure(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    receiver.respond = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    assert error_of(sent(make_webhook(receiver.url))) == "bad_response"


def test_a_connection_that_breaks_is_a_failure(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    receiver.respond = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    assert sent(make_webhook(receiver.url)).status == "pending"


def test_a_webhook_that_hangs_has_two_attempts_and_holds_up_no_other(
    make_webhook: MakeWebhook, receiver: Receiver, until: Any
) -> None:
    receiver.respond = lambda _: receiver.over.wait(30)
    hanging = make_webhook(receiver.url)
    events = [add_event(hanging) for _ in range(5)]
    threads = [threading.Thread(target=send_due, args=(hanging.id,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: sum(thread.is_alive() for thread in threads) == DELIVER.of_webhook)
    with receiving() as good:
        assert sent(make_webhook(good.url)).status == "delivered"
    until(lambda: len(receiver.requests) == DELIVER.of_webhook)
    tokens = [read_event(hanging, each).token for each in events]
    assert sum(token is not None for token in tokens) == DELIVER.of_webhook
    with unit_of_work() as session:
        delete_webhook(session, hanging.user_id, hanging.id)
    receiver.over.set()
    for thread in threads:
        thread.join()


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
