"""The ends of jobs, sent by the Procfile's workers."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook as Verifier

from models.lifecycle.after_commit import after_commit
from models.session import unit_of_work
from models.users import get_or_create_user
from models.webhook_deletion import delete_webhook
from models.webhook_deliveries import WebhookDelivery, add_test_event
from models.webhooks import Webhook, create_webhook, shown_secret
from tasks.jobs.commands import cancel

from ..commits import followed
from ..receiver import Receiver, receiving
from .conftest import Submit, read

pytestmark = pytest.mark.usefixtures("workers")

Until = Callable[..., None]
DUE = """
INSERT INTO webhook_deliveries (webhook_id, event_id, user_id, type, data, next_attempt_at)
  SELECT id, 'evt_' || n, user_id, 'webhook.test', '{}', now()
  FROM webhooks, generate_series(1, :number) AS n WHERE id = ANY(:ids)
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def new_webhook(external_id: str, url: str | None) -> Webhook:
    with unit_of_work() as session:
        return create_webhook(session, get_or_create_user(session, external_id), url)


def received(receiver: Receiver, webhook: Webhook) -> list[tuple[str, str]]:
    """What was received: each event's type and its job. All of it is signed."""
    verifier = Verifier(shown_secret(webhook))
    events = [verifier.verify(each.body, each.headers) for each in receiver.requests]
    return [(event["type"], event["data"]["id"]) for event in events]


def test_an_answered_job_is_told_to_its_users_webhook_and_to_its_own_url(
    submit: Submit, until: Until, external_id: str, receiver: Receiver
) -> None:
    webhook = new_webhook(external_id, receiver.url)
    with receiving() as own:
        signing = new_webhook(external_id, None)
        job_id = submit("What is the capital of France?", webhook_url=own.url)
        until(lambda: receiver.requests and own.requests, 60)
        assert received(receiver, webhook) == [("job.completed", job_id)]
        assert received(own, signing) == [("job.completed", job_id)]
    assert b"France" not in receiver.requests[0].body
    event_id = job_id.replace("job_", "evt_")
    until(lambda: status_of(webhook, event_id) == "delivered")


def status_of(webhook: Webhook, event_id: str) -> str:
    with unit_of_work() as session:
        return session.get_one(WebhookDelivery, (webhook.id, event_id)).status


def test_a_cancelled_job_is_told(
    accept: Submit, until: Until, external_id: str, receiver: Receiver
) -> None:
    webhook = new_webhook(external_id, receiver.url)
    job_id = accept("Hello")
    with followed(), unit_of_work() as session:
        cancel(session, read(job_id).user_id, job_id)
    until(lambda: receiver.requests)
    assert received(receiver, webhook) == [("job.cancelled", job_id)]


def test_an_event_whose_message_was_lost_is_found_by_the_reconciler(
    until: Until, external_id: str, receiver: Receiver
) -> None:
    webhook = new_webhook(external_id, receiver.url)
    with unit_of_work() as session:
        event_id = add_test_event(session, webhook).event_id  # and publish nothing
    until(lambda: receiver.requests)
    assert receiver.requests[0].headers["webhook-id"] == event_id


def test_ten_thousand_events_for_a_receiver_that_hangs_delay_nobody_else(
    accept: Submit, until: Until, external_id: str, receiver: Receiver
) -> None:
    """The workers here have two slots for webhooks."""
    with receiving() as hung:
        hung.respond = lambda _: hung.over.wait(60)
        hanging = [new_webhook(f"hanging-{external_id}", hung.url) for _ in range(2)]
        with unit_of_work() as session:
            ids = [webhook.id for webhook in hanging]
            session.execute(text(DUE), {"ids": ids, "number": 5000})
        until(lambda: hung.requests)
        for number in range(1, 4):
            webhook = new_webhook(f"{number}-{external_id}", receiver.url)
            with followed(), unit_of_work() as session:
                add_test_event(session, webhook)
                after_commit(session).webhooks.append(webhook.id)
            until(partial(received_so_many, receiver, number))
        with unit_of_work() as session:
            for webhook in hanging:
                delete_webhook(session, webhook.user_id, webhook.id)


def received_so_many(receiver: Receiver, number: int) -> bool:
    return len(receiver.requests) == number
