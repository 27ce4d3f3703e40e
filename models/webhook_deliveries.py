"""The outbox of webhooks, which is also their log: one row for each event and webhook.

    waiting --claim--> sending --finish--> delivered, failed, or waiting for the next attempt
       ^                  |  lease expired: its process died
       +------------------+

A row is added by the statement that ends its job, so it exists if and only if the job has ended. It
is waiting or being sent as long as it has a `next_attempt_at`: when it is due, or when its lease
expires.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    CursorResult,
    DateTime,
    ForeignKey,
    FromClause,
    Index,
    PrimaryKeyConstraint,
    Select,
    String,
    Table,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp
from models.ids import new_id
from models.jobs import URL_MAX_CHARS, Job
from models.pages import page_of
from models.webhooks import Webhook

TEST_EVENT: Final = "webhook.test"
STATUSES: Final = ("pending", "delivered", "failed")
# How many deliveries are deleted or ended in one transaction.
BATCH: Final = 1000

now = func.clock_timestamp


class WebhookDelivery(Base):
    """One event for one webhook. The id of a job's event is the job's, so that every attempt, and
    every webhook, has the same.

    `url` is the job's `webhook_url`, for a webhook without a URL. `token` is that of the attempt
    that is being sent. `began_at` is when the delivery was created, or started again. `log` has the
    last attempts. The job need not exist any more.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        PrimaryKeyConstraint("webhook_id", "event_id"),
        Index(
            "ix_webhook_deliveries_due",
            "next_attempt_at",
            postgresql_where="next_attempt_at IS NOT NULL",
        ),
        Index(
            "ix_webhook_deliveries_owed",
            "webhook_id",
            "next_attempt_at",
            postgresql_where="next_attempt_at IS NOT NULL",
        ),
        Index("ix_webhook_deliveries_listing", "webhook_id", "status", "event_id"),
        Index("ix_webhook_deliveries_sending", "user_id", postgresql_where="token IS NOT NULL"),
        Index("ix_webhook_deliveries_ended", "ended_at", postgresql_where="ended_at IS NOT NULL"),
    )

    webhook_id: Mapped[str] = mapped_column(
        String(40), ForeignKey("webhooks.id", ondelete="CASCADE")
    )
    event_id: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[str] = mapped_column(String(40))
    job_id: Mapped[str | None] = mapped_column(String(40))
    type: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]
    url: Mapped[str | None] = mapped_column(String(URL_MAX_CHARS))
    status: Mapped[str] = mapped_column(String(9), server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None]
    token: Mapped[UUID | None]
    log: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    created_at: Mapped[Timestamp]
    began_at: Mapped[Timestamp]
    ended_at: Mapped[datetime | None]


webhooks = cast(Table, Webhook.__table__)
deliveries = cast(Table, WebhookDelivery.__table__)


def has_webhooks(job: FromClause) -> ColumnElement[bool]:
    """Whether the user of a job, the row of an UPDATE, has a webhook."""
    return exists().where(webhooks.c.user_id == job.c.user_id).correlate(job)


def events_of(ended: FromClause) -> CTE:
    """The INSERT of the events of jobs that have ended; returns the ids of the webhooks.

    Args:
        ended: the jobs' ids, users, statuses, conversations, broadcasts and webhook_urls.
    """
    job = ended.c
    kind = literal("job.").op("||")(job.status)
    row: dict[str, ColumnElement[Any]] = {
        "webhook_id": webhooks.c.id,
        "event_id": literal("evt_").op("||")(func.substr(job.id, len("job_") + 1)),
        "user_id": job.user_id,
        "job_id": job.id,
        "type": kind,
        "data": func.jsonb_build_object(
            "id", job.id,
            "status", job.status,
            "conversation_id", job.conversation_id,
            "broadcast_id", job.broadcast_id,
        ),
        "url": case((webhooks.c.url.is_(None), job.webhook_url)),
        "next_attempt_at": now(),
    }  # fmt: skip
    wanted = and_(
        webhooks.c.user_id == job.user_id,
        webhooks.c.disabled_at.is_(None),
        kind == any_(webhooks.c.events),
        or_(webhooks.c.url.is_not(None), job.webhook_url.is_not(None)),
    )
    found = select(*row.values()).select_from(ended.join(webhooks, wanted))
    added = insert(deliveries).from_select(list(row), found, include_defaults=False)
    once = added.on_conflict_do_nothing()  # an end must never fail for its event
    return once.returning(deliveries.c.webhook_id).cte("notified")


def owed_to(webhook_id: ColumnElement[str], until: ColumnElement[datetime]) -> Select[Any]:
    """The keys of the deliveries of a webhook that are due until a moment, the first ones first.

    It is no equality, for which the planner may read the deliveries of all webhooks in the order of
    time, but a range of their index by webhook.
    """
    row, at = deliveries.c, tuple_(deliveries.c.webhook_id, deliveries.c.next_attempt_at)
    return (
        select(row.webhook_id, row.event_id)
        .where(row.next_attempt_at.is_not(None), row.webhook_id >= webhook_id)
        .where(at <= tuple_(webhook_id, until))
        .order_by(row.webhook_id, row.next_attempt_at)
    )


def add_events(session: Session, job_ids: Collection[str]) -> list[str]:
    """Add the events of jobs that this transaction has ended; returns the ids of the webhooks."""
    columns = ("id", "user_id", "status", "conversation_id", "broadcast_id", "webhook_url")
    ended = (
        select(*(getattr(Job, name) for name in columns)).where(Job.id.in_(job_ids)).cte("ended")
    )
    return list(session.scalars(select(events_of(ended).c.webhook_id).distinct()))


def add_test_event(session: Session, webhook: Webhook) -> WebhookDelivery:
    """Add an event that says nothing, for a webhook with a URL."""
    event = WebhookDelivery(
        webhook_id=webhook.id,
        event_id=new_id("evt"),
        user_id=webhook.user_id,
        type=TEST_EVENT,
        data={"id": webhook.id},
        next_attempt_at=now(),
    )
    session.add(event)
    session.flush()
    return event


def find_delivery(session: Session, webhook_id: str, event_id: str) -> WebhookDelivery | None:
    """A delivery of a webhook, whose owner is not checked."""
    return session.get(WebhookDelivery, (webhook_id, event_id))


def list_deliveries(
    session: Session,
    webhook_id: str,
    *,
    limit: int,
    after: str | None = None,
    status: str | None = None,
) -> list[WebhookDelivery]:
    """A page of a webhook's deliveries, newest event first; one more than `limit` if there are
    more.

    Raises:
        InvalidRequest: `after` is not an event of this webhook.
    """
    its = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    filters = [] if status is None else [WebhookDelivery.status == status]
    return page_of(session, its, WebhookDelivery.event_id, *filters, limit=limit, after=after)


def redeliver(session: Session, webhook_id: str, event_id: str) -> WebhookDelivery | None:
    """Start a delivery of a webhook again, whatever has become of it. None if there is none."""
    again = (
        update(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.event_id == event_id)
        .values(
            status="pending",
            attempts=0,
            began_at=now(),
            next_attempt_at=now(),
            token=None,
            ended_at=None,
        )
        .returning(WebhookDelivery)
    )
    return session.scalar(again, execution_options={"populate_existing": True})


def disable(session: Session, webhook_id: str, reason: str) -> None:
    """Disable a webhook, and end its deliveries, which may be started again once it is enabled. If
    they are many, a worker ends the rest (`models/webhook_deletion.py`)."""
    session.execute(
        update(Webhook)
        .where(Webhook.id == webhook_id, Webhook.disabled_at.is_(None))
        .values(disabled_at=now(), disabled_reason=reason)
    )
    end_owed(session, webhook_id)


def end_owed(session: Session, webhook_id: str) -> int:
    """End unfinished deliveries of a webhook as failed, BATCH at most; returns how many."""
    some = owed_to(literal(webhook_id), literal("infinity", DateTime(timezone=True))).limit(BATCH)
    ended = (
        update(WebhookDelivery)
        .where(tuple_(WebhookDelivery.webhook_id, WebhookDelivery.event_id).in_(some))
        .values(status="failed", next_attempt_at=None, token=None, ended_at=now())
    )
    done = session.execute(ended, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], done).rowcount


def end_if_disabled(session: Session, webhook_id: str) -> int:
    """`end_owed`, if the webhook is disabled, and stays so until this transaction ends: what is
    owed to one that is just enabled again must not end. Returns how many, 0 if it is enabled."""
    this = select(Webhook.id).where(Webhook.id == webhook_id, Webhook.disabled_at.is_not(None))
    disabled = session.scalar(this.with_for_update(key_share=True))
    return 0 if disabled is None else end_owed(session, webhook_id)
