"""Secrets are encrypted where they are stored, and the key can be replaced."""

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook as Verifier

from config.settings import get_settings
from models.sealing import UNSEALED_BYTES, is_current, seal, unseal
from models.session import unit_of_work
from models.webhooks import SECRET_PREFIX, Webhook, rotate_secret, seal_again, shown_secret
from tasks.worker.sweeper import Sweeper

from ..receiver import Receiver
from .conftest import MakeWebhook, error_of, make_due, read_webhook, sent

Peppers = Callable[..., None]
HOUR = timedelta(hours=1)


@pytest.fixture
def peppers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peppers]:
    """`peppers("new", "old")`: the pepper from now on, and the previous one."""

    def replace(current: str, previous: str = "") -> None:
        monkeypatch.setenv("API_KEY_PEPPER", current)
        monkeypatch.setenv("API_KEY_PEPPER_PREVIOUS", previous)
        get_settings.cache_clear()

    yield replace
    monkeypatch.undo()
    get_settings.cache_clear()


def store(webhook: Webhook, secret: bytes) -> None:
    with unit_of_work() as session:
        session.execute(update(Webhook).filter_by(id=webhook.id).values(secret=secret))


def seal_all() -> None:
    after: str | None = ""
    while after is not None:
        with unit_of_work() as session:
            after = seal_again(session, after, 2)


def verified(secret: str, receiver: Receiver) -> bool:
    request = receiver.requests[-1]
    return Verifier(secret).verify(request.body, request.headers) is not None


def test_what_is_stored_says_nothing_of_the_secret(make_webhook: MakeWebhook) -> None:
    webhook = make_webhook("https://example.com/")
    secret = base64.b64decode(shown_secret(webhook).removeprefix(SECRET_PREFIX))
    assert len(secret) == UNSEALED_BYTES
    assert secret not in webhook.secret
    assert webhook.secret != make_webhook("https://example.com/").secret
    assert seal(secret, webhook.id) != webhook.secret


def test_a_secret_is_of_its_webhook_only(make_webhook: MakeWebhook) -> None:
    one, other = make_webhook("https://example.com/"), make_webhook("https://example.com/")
    assert unseal(one.secret, other.id) is None
    assert unseal(one.secret[:-1] + bytes([one.secret[-1] ^ 1]), one.id) is None


def test_a_secret_that_was_stored_as_it_was_signs_and_is_encrypted_by_a_worker(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    webhook = make_webhook(receiver.url)
    shown = shown_secret(webhook)
    store(webhook, base64.b64decode(shown.removeprefix(SECRET_PREFIX)))
    assert sent(webhook).status == "delivered"
    assert verified(shown, receiver)
    Sweeper(seal_after_s=0).sweep()
    after = read_webhook(webhook)
    assert is_current(after.secret)
    assert shown_secret(after) == shown


def test_the_key_is_replaced_without_losing_a_secret(
    make_webhook: MakeWebhook, receiver: Receiver, peppers: Peppers
) -> None:
    peppers("old")
    webhooks = [make_webhook(receiver.url) for _ in range(5)]
    webhook, shown = webhooks[0], shown_secret(webhooks[0])
    with unit_of_work() as session:
        rotate_secret(session, session.merge(webhook), HOUR)
    both = (shown, shown_secret(read_webhook(webhook)))

    peppers("new", "old")
    assert sent(webhook).status == "delivered"
    assert all(verified(secret, receiver) for secret in both)
    seal_all()

    peppers("new")
    assert sent(webhook).status == "delivered"
    assert all(verified(secret, receiver) for secret in both)
    assert all(is_current(read_webhook(each).secret) for each in webhooks)


def test_without_its_key_nothing_is_sent_until_the_secret_is_rotated(
    make_webhook: MakeWebhook, receiver: Receiver, peppers: Peppers
) -> None:
    peppers("old")
    webhook = make_webhook(receiver.url)
    peppers("new")
    seal_all()
    failed = sent(webhook)
    assert (failed.status, error_of(failed)) == ("pending", "secret_unreadable")
    assert receiver.requests == []
    with unit_of_work() as session:
        rotate_secret(session, session.merge(read_webhook(webhook)), HOUR)
    make_due(webhook)
    assert sent(webhook, failed.event_id).status == "delivered"
    assert verified(shown_secret(read_webhook(webhook)), receiver)
