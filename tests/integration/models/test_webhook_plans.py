"""What the outbox's statements read of 200,000 deliveries: what they return, and no more."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from models.session import unit_of_work
from models.webhook_deletion import delete_webhook, sweep_webhooks
from models.webhook_deliveries import (
    BATCH,
    STATUSES,
    disable,
    end_owed,
    list_deliveries,
    redeliver,
)
from models.webhook_disabling import is_failing
from models.webhook_outbox import claim, finish, is_work, prune, take_due
from models.webhooks import create_webhook, find_webhook, list_webhooks, seal_again

from .plans import Work, rows_read, tables_scanned

Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]

# Of "busy", one in a hundred is unfinished and one in a thousand has failed; of "hanging", none was
# delivered; of "old", all are to be deleted. "few" has one that is due, among 2,000 other users.
FILL = (
    "INSERT INTO users (id, external_id) SELECT 'user_' || n, 'user ' || n"
    " FROM generate_series(1, 2000) AS n",
    "INSERT INTO users (id, external_id)"
    " SELECT 'user_' || name, name FROM unnest(ARRAY['busy', 'hanging', 'old', 'few']) AS name",
    "INSERT INTO webhooks (id, user_id, url, events, secret)"
    " SELECT 'hook_' || substr(id, 6), id, 'https://example.com/', '{job.failed}', '\\x00'"
    " FROM users",
    """
    INSERT INTO webhook_deliveries
      (webhook_id, event_id, user_id, type, data, status, next_attempt_at, ended_at, token)
    SELECT 'hook_busy', 'evt_' || n, 'user_busy', 'job.failed', '{}',
      CASE WHEN n % 100 = 0 THEN 'pending' WHEN n % 1000 = 1 THEN 'failed' ELSE 'delivered' END,
      CASE WHEN n % 100 = 0 THEN now() - interval '1 day' + n * interval '0.5 seconds' END,
      CASE WHEN n % 100 <> 0 THEN now() END, NULL
    FROM generate_series(1, 100000) AS n
    """,
    """
    INSERT INTO webhook_deliveries
      (webhook_id, event_id, user_id, type, data, status, next_attempt_at, ended_at)
    SELECT 'hook_hanging', 'evt_' || n, 'user_hanging', 'job.failed', '{}',
      CASE WHEN n % 2 = 0 THEN 'pending' ELSE 'failed' END,
      CASE WHEN n % 2 = 0 THEN now() - interval '1 hour' END,
      CASE WHEN n % 2 <> 0 THEN now() END
    FROM generate_series(1, 60000) AS n
    """,
    """
    INSERT INTO webhook_deliveries
      (webhook_id, event_id, user_id, type, data, status, ended_at)
    SELECT 'hook_old', 'evt_' || n, 'user_old', 'job.failed', '{}', 'delivered',
      now() - interval '8 days' FROM generate_series(1, 40000) AS n
    """,
    """
    INSERT INTO webhook_deliveries
      (webhook_id, event_id, user_id, type, data, next_attempt_at)
    VALUES ('hook_few', 'evt_1', 'user_few', 'job.failed', '{}', now())
    """,
    "ANALYZE users",
    "ANALYZE webhooks",
    "ANALYZE webhook_deliveries",
)
LEASE = timedelta(minutes=1)
CAPS = {"of_webhook": 2, "of_user": 6}


@pytest.fixture(scope="module", autouse=True)
def delivered(backends: Mapping[str, str], quietly: Quietly) -> Iterator[None]:
    """200,000 deliveries, in a separate database."""
    with quietly(backends):
        with unit_of_work() as session:
            for statement in FILL:
                session.execute(text(statement.replace(":", r"\:")))
        yield


def reads(work: Work, most: int) -> None:
    """Assert what a look reads, without changing anything that the next one finds."""

    def undone(session: Session) -> None:
        work(session)
        session.rollback()

    assert tables_scanned(undone) == set()
    assert rows_read(undone) < most


@pytest.mark.parametrize("webhook", ["busy", "hanging", "few"])
def test_a_claim_reads_what_it_claims(webhook: str) -> None:
    def work(session: Session) -> None:
        assert claim(session, f"hook_{webhook}", LEASE, **CAPS) is not None

    reads(work, 20)


def test_the_end_of_an_attempt_reads_its_row() -> None:
    def work(session: Session) -> None:
        attempt = claim(session, "hook_busy", LEASE, **CAPS)
        assert attempt is not None
        assert finish(session, attempt, {}, "delivered")

    reads(work, 30)


@pytest.mark.parametrize("webhook", ["busy", "hanging", "old"])
def test_whether_a_webhook_fails_is_seen_by_two_rows(webhook: str) -> None:
    def work(session: Session) -> None:
        assert is_failing(session, f"hook_{webhook}") is False

    reads(work, 10)


@pytest.mark.parametrize("status", [*STATUSES, None])
@pytest.mark.parametrize("webhook", ["busy", "hanging", "old"])
def test_a_page_of_the_log_reads_what_it_shows(webhook: str, status: str | None) -> None:
    def work(session: Session) -> None:
        list_deliveries(session, f"hook_{webhook}", limit=20, status=status, after="evt_5")

    reads(work, 100)


def test_what_is_due_is_found_by_webhook() -> None:
    def work(session: Session) -> None:
        found = take_due(session, 100, LEASE)
        assert {"hook_busy", "hook_hanging", "hook_few"} == set(found)

    reads(work, 60)


def test_a_look_for_work_reads_nothing_more() -> None:
    reads(lambda session: session.execute(select(is_work())).all(), 10)


def test_old_deliveries_are_deleted_a_batch_at_a_time() -> None:
    def work(session: Session) -> None:
        assert prune(session, 100) == 100

    reads(work, 500)


@pytest.mark.parametrize("webhook", ["busy", "hanging"])
def test_what_is_owed_is_ended_a_batch_at_a_time(webhook: str) -> None:
    def work(session: Session) -> None:
        assert end_owed(session, f"hook_{webhook}") == BATCH

    reads(work, 5 * BATCH)


def test_a_webhook_is_disabled_or_deleted_a_batch_at_a_time() -> None:
    def work(session: Session) -> None:
        disable(session, "hook_hanging", "disabled")
        assert sweep_webhooks(session) == BATCH
        assert delete_webhook(session, "user_old", "hook_old")
        assert sweep_webhooks(session) == BATCH + 1

    reads(work, 20 * BATCH)


def test_the_rest_reads_a_users_rows() -> None:
    def work(session: Session) -> None:
        assert list_webhooks(session, "user_busy", limit=20, after="hook_busy") == []
        assert find_webhook(session, "user_busy", "hook_busy") is not None
        assert redeliver(session, "hook_busy", "evt_7") is not None
        create_webhook(session, "user_few", "https://example.com/")

    reads(work, 20)


def test_secrets_are_looked_at_in_pages() -> None:
    reads(lambda session: seal_again(session, "hook_1", 50), 120)
