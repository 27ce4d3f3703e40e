"""A webhook is deleted or disabled at once, and its deliveries in small transactions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from models.lifecycle.endings import cancel
from models.lifecycle.user_deletion import begin_deletion
from models.session import unit_of_work
from models.users import get_or_create_user
from models.webhook_deletion import STAYS_FOR, delete_webhook, sweep_webhooks
from models.webhook_deliveries import BATCH, WebhookDelivery, add_test_event, disable
from models.webhook_outbox import claim
from models.webhooks import (
    Webhook,
    create_webhook,
    find_webhook,
    list_webhooks,
    signs_urls_of_jobs,
)
from tasks.jobs.user_deletion import delete_user

from .conftest import MakeJob, read

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


def time_passes(webhook: Webhook) -> None:
    """As long as the row of a deleted webhook stays."""
    with unit_of_work() as session:
        this = update(Webhook).filter_by(id=webhook.id)
        session.execute(this.values(deleted_at=Webhook.deleted_at - STAYS_FOR))


def waits_for_a_lock() -> bool:
    with unit_of_work() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def sweep() -> list[int]:
    """Sweep until nothing is left; returns the rows of each transaction."""
    batches = list[int]()
    while True:
        with unit_of_work() as session:
            rows = sweep_webhooks(session)
        if rows == 0:
            return batches
        batches.append(rows)


def test_one_with_few_deliveries_is_seen_no_more_and_its_row_deleted_later(
    make_busy: Callable[..., Webhook],
) -> None:
    webhook = make_busy(BATCH - 1)
    assert delete(webhook)
    with unit_of_work() as session:
        assert find_webhook(session, webhook.user_id, webhook.id) is None
    assert left(webhook) == 0
    assert sweep() == []
    assert exists(webhook), "a job that is just ending may add its event"
    time_passes(webhook)
    assert sweep() == [1]
    assert not exists(webhook)


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
    assert left(webhook) == 0
    time_passes(webhook)
    assert sweep() == [1]
    assert not exists(webhook)
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


def test_a_job_ends_although_a_webhook_is_just_deleted(
    make_busy: Callable[..., Webhook], make_job: MakeJob, until: Callable[..., None]
) -> None:
    webhook, job_id = make_busy(1, "https://example.com/"), make_job()

    def end() -> bool:
        with unit_of_work() as session:
            return cancel(session, job_id)

    with ThreadPoolExecutor(1) as threads:
        with unit_of_work() as session:
            assert delete_webhook(session, webhook.user_id, webhook.id)
            ended = threads.submit(end)
            until(lambda: ended.done() or waits_for_a_lock())
        assert ended.result()
    assert read(job_id).status == "cancelled"
    assert left(webhook) == 1, "its event, which nobody sees"
    assert sweep() == [2]
    assert left(webhook) == 0


def claims(session: Session, webhook: Webhook) -> None:
    assert claim(session, webhook.id, timedelta(minutes=1), of_webhook=1, of_user=1) is None


def sweeps(session: Session, _: Webhook) -> None:
    sweep_webhooks(session)


@pytest.mark.parametrize("end", [claims, sweeps])
def test_what_is_owed_to_one_that_is_just_enabled_again_does_not_end(
    end: Callable[[Session, Webhook], None],
    make_busy: Callable[..., Webhook],
    until: Callable[..., None],
) -> None:
    webhook = make_busy(0, "https://example.com/")
    with unit_of_work() as session:
        disable(session, webhook.id, "disabled")
        add_test_event(session, webhook)  # as a job that ends at that moment does

    def try_to_end() -> None:
        with unit_of_work() as session:
            end(session, webhook)

    with ThreadPoolExecutor(1) as threads:
        with unit_of_work() as session:
            this = update(Webhook).filter_by(id=webhook.id)
            session.execute(this.values(disabled_at=None, disabled_reason=None))
            tried = threads.submit(try_to_end)
            until(lambda: tried.done() or waits_for_a_lock())
        tried.result()
    assert left(webhook, status="pending") == 1
