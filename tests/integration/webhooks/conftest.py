"""A user's webhooks, and real receivers. Private addresses are allowed, unless a test says
otherwise."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from config.settings import get_settings
from models.session import unit_of_work
from models.users import get_or_create_user
from models.webhook_deliveries import WebhookDelivery, add_test_event
from models.webhook_outbox import claim
from models.webhooks import Webhook, create_webhook, find_webhook
from tasks.webhooks.attempts import send_due
from tasks.webhooks.request import Reply, send

from ..commits import unfollowed
from ..receiver import Receiver, receiving

Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]
MakeWebhook = Callable[..., Webhook]
Allow = Callable[[bool], None]
LEASE = timedelta(seconds=60)


@pytest.fixture(scope="module", autouse=True)
def quiet(backends: Mapping[str, str], quietly: Quietly) -> Iterator[None]:
    """No worker sends anything: the tests do."""
    with quietly(backends), unfollowed():
        yield


@pytest.fixture(autouse=True)
def allow_private(monkeypatch: pytest.MonkeyPatch) -> Iterator[Allow]:
    """`allow_private(False)`: as in production."""

    def allow(allowed: bool) -> None:
        monkeypatch.setenv("WEBHOOK_ALLOW_PRIVATE", str(allowed))
        get_settings.cache_clear()

    allow(True)
    yield allow
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def user_id(backends: Mapping[str, str], external_id: str) -> str:
    with unit_of_work() as session:
        return get_or_create_user(session, external_id)


@pytest.fixture
def make_webhook(user_id: str) -> MakeWebhook:
    """`make_webhook(url, events)`: a webhook of this test's user."""

    def make(url: str | None, events: list[str] | None = None) -> Webhook:
        with unit_of_work() as session:
            return create_webhook(session, user_id, url, events)

    return make


def add_event(webhook: Webhook) -> str:
    """Add an event for a webhook; returns its id."""
    with unit_of_work() as session:
        return add_test_event(session, webhook).event_id


def read_event(webhook: Webhook, event_id: str) -> WebhookDelivery:
    """The current row of a delivery."""
    with unit_of_work() as session:
        found = session.get(WebhookDelivery, (webhook.id, event_id))
        assert found is not None
        return found


def read_webhook(webhook: Webhook) -> Webhook:
    """The current row of a webhook."""
    with unit_of_work() as session:
        found = find_webhook(session, webhook.user_id, webhook.id)
        assert found is not None
        return found


def waits_s(delivery: WebhookDelivery) -> float:
    """How long after its last attempt a delivery is tried again, in seconds."""
    assert delivery.next_attempt_at is not None
    ended = datetime.fromisoformat(delivery.log[-1]["at"])
    return (delivery.next_attempt_at - ended).total_seconds()


def sent(webhook: Webhook, event_id: str | None = None) -> WebhookDelivery:
    """Send what is due to a webhook; returns the event's delivery."""
    event_id = event_id or add_event(webhook)
    send_due(webhook.id)
    return read_event(webhook, event_id)


def make_due(webhook: Webhook, **columns: Any) -> None:
    """Make all deliveries of a webhook due."""
    past = {"next_attempt_at": WebhookDelivery.created_at} | columns
    with unit_of_work() as session:
        session.execute(update(WebhookDelivery).filter_by(webhook_id=webhook.id).values(**past))


def error_of(delivery: WebhookDelivery) -> str:
    """Why the last attempt failed."""
    return str(delivery.log[-1]["error"])


def sent_in_haste(webhook: Webhook, proxy: str | None = None) -> Reply:
    """Send an event with a limit of half a second."""
    add_event(webhook)
    with unit_of_work() as session:
        attempt = claim(session, webhook.id, LEASE, of_webhook=1, of_user=1)
    assert attempt is not None
    return send(attempt, allow_private=proxy is None, proxy=proxy, limit_s=0.5)
