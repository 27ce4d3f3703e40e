"""A user's webhooks, and real receivers. Private addresses are allowed, unless a test says
otherwise."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime

import pytest

from config.settings import get_settings
from models.session import unit_of_work
from models.users import get_or_create_user
from models.webhook_deliveries import WebhookDelivery, add_test_event
from models.webhooks import Webhook, create_webhook, find_webhook

from ..commits import unfollowed
from ..receiver import Receiver, receiving

Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]
MakeWebhook = Callable[..., Webhook]
Allow = Callable[[bool], None]


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
