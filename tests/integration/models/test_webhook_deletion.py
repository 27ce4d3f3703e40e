"""A webhook is deleted or disabled at once, and its deliveries in small transactions."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select, text

from models.lifecycle.endings import cancel
from models.lifecycle.user_deletion import begin_deletion
from models.session import unit_of_work
from models.users import get_or_create_user
from models.webhook_deletion import delete_webhook, sweep_webhooks
from models.webhook_deliveries import BATCH, WebhookDelivery, disable
from models.webhooks import (
    Webhook,
    create_webhook,
    find_webhook,
    list_webhooks,
    signs_urls_of_jobs,
)
from tasks.jobs.user_deletion import delete_user

from .conftest import MakeJob

# Two batches and a half.
MANY = BATCH * 5 // 2
ADD = """
INSERT INTO webhook_deliveries (webhook_id, event_id, user_id, type, data, next_attempt_at)
  SELECT id, 'evt_' || n, user_id, 'webhook.test', '{}', now() + interval '1 day'
  FROM webhooks, generate_series(1, :number) AS n WHERE id = :webhook
"""


@pytest.fixture
def user_id(backends: object, external_id: str) -> str:
    with unit_of_work() as session:
        return get_or_create_user(session, external_id)


@pytest.fixture
def make_busy(user_id: str) -> Callable[..., Webhook]:
    """`make_busy(number, url)`: a webhook with so many deliveries."""

    def make(number: int = MANY, url: str | None = None) -> Webhook:
        with unit_of_work() as session:
            webhook = create_webhook(session, user_id, url)
            session.execute(text(ADD), {"number": number, "webhook": webhook.id})
        return webhook

    return make


def left(webhook: Webhook, **columns: object) -> int:
    with unit_of_work() as session:
        its = select(func.count()).select_from(WebhookDelivery)
        return session.scalar(its.filter_by(webhook_id=webhook.id, **columns)) or 0


def exists(webhook: Webhook) -> bool:
    with unit_of_work() as session:
        return session.get(Webhook, webhook.id) is not None


def delete(webhook: Webhook) -> bool:
    with unit_of_work() as session:
        return delete_webhook(session, webhook.user_id, webhook.id)


def sweep() -> list[int]:
    """Sweep until nothing is left; returns the rows of each transaction."""
    batches = list[int]()
    while True:
        with unit_of_work() as session:
            rows = sweep_webhooks(session)
        if rows == 0:
            return batches
        batches.append(rows)


def test_one_with_few_deliveries_is_gone_at_once(make_busy: Callable[..., Webhook]) -> None:
    webhook = make_busy(BATCH - 1)
    assert delete(webhook)
    assert not exists(webhook)
    assert left(webhook) == 0


def test_one_with_many_is_seen_no_more_and_deleted_in_batches(
    make_busy: Callable[..., Webhook], make_job: MakeJob
) -> None:
    webhook, other = make_busy(), make_busy(3, "https://example.com/")
    job_id = make_job(webhook_url="https://example.com/")
    assert delete(webhook)
    assert not delete(webhook)
    assert left(webhook) == MANY - BATCH
    with unit_of_work() as session:
        assert find_webhook(session, webhook.user_id, webhook.id) is None
        assert [each.id for each in list_webhooks(session, webhook.user_id, limit=9)] == [other.id]
        assert not signs_urls_of_jobs(session, webhook.user_id)
        create_webhook(session, webhook.user_id, None)  # in its place
        assert cancel(session, job_id)
    assert left(webhook) == MANY - BATCH, "it gets no more"
    assert max(sweep()) <= BATCH + 1
    assert not exists(webhook)
    assert left(webhook) == 0
    assert left(other) == 4


def test_the_deliveries_of_a_disabled_one_end_in_batches(
    make_busy: Callable[..., Webhook],
) -> None:
    webhook, other = make_busy(), make_busy(3, "https://example.com/")
    with unit_of_work() as session:
        disable(session, webhook.id, "disabled")
    assert left(webhook, status="failed") == BATCH
    assert max(sweep()) <= BATCH
    assert left(webhook, status="failed", next_attempt_at=None) == MANY
    assert left(other, status="pending") == 3


def test_a_deleted_user_s_deliveries_go_in_batches(
    make_busy: Callable[..., Webhook], external_id: str
) -> None:
    webhook = make_busy()
    with unit_of_work() as session:
        begin_deletion(session, external_id)
    batches = list[int]()
    assert delete_user(webhook.user_id, batches.append)
    assert max(batches) <= BATCH
    assert (left(webhook), exists(webhook)) == (0, False)
