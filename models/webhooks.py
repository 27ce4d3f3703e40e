"""Webhooks: where a user wants to be notified of the ends of jobs. What is sent is in
`models/webhook_deliveries.py`."""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ARRAY,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    delete,
    func,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Id, Timestamp
from models.conflicts import TooManyWebhooks, WebhookExists
from models.errors import InvalidRequest
from models.ids import new_id
from models.jobs import FINISHED, URL_MAX_CHARS
from models.users import User

EVENT_TYPES: Final = tuple(f"job.{status}" for status in FINISHED)
MAX_WEBHOOKS: Final = 20
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (no secret)
SECRET_BYTES: Final = 32
# Why a webhook is disabled: by its owner, or because its receiver answered 410.
DISABLED: Final = "disabled"
GONE: Final = "gone"


class Webhook(Base):
    """Where and how a user is notified. One without a URL signs what is sent to the `webhook_url`
    of the user's jobs.

    `secret` signs; it is stored as it is, since signing needs it. `previous_secret` signs too,
    until `previous_until`. `dispatched_until` is how long a message that the reconciler has
    published is assumed to be in the broker.
    """

    __tablename__ = "webhooks"
    __table_args__ = (
        Index("uq_webhooks_without_url", "user_id", unique=True, postgresql_where="url IS NULL"),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    url: Mapped[str | None] = mapped_column(String(URL_MAX_CHARS))
    events: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(16))
    dispatched_until: Mapped[datetime | None]
    created_at: Mapped[Timestamp]


def new_secret() -> bytes:
    """A secret to sign with."""
    return secrets.token_bytes(SECRET_BYTES)


def shown_secret(secret: bytes) -> str:
    """A secret as its owner gets it: once, since it can't be read again."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def create_webhook(
    session: Session, user_id: str, url: str | None, events: list[str] | None = None
) -> Webhook:
    """Add a webhook of a user, by default for every event.

    Raises:
        TooManyWebhooks: the user has MAX_WEBHOOKS.
        WebhookExists: the user has one without a URL.
    """
    # Creations of one user take turns, or they could exceed the limit together.
    session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    urls = list(session.scalars(select(Webhook.url).where(Webhook.user_id == user_id)))
    if len(urls) >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"There are {MAX_WEBHOOKS} webhooks, which is the most.")
    if url is None and None in urls:
        raise WebhookExists("There is a webhook without a URL already.")
    webhook = Webhook(
        id=new_id("hook"),
        user_id=user_id,
        url=url,
        events=list(EVENT_TYPES if events is None else events),
        secret=new_secret(),
    )
    session.add(webhook)
    session.flush()
    return webhook


def find_webhook(
    session: Session, user_id: str, webhook_id: str, *, lock: bool = False
) -> Webhook | None:
    """A user's webhook; None if it is unknown or another user's."""
    mine = select(Webhook).where(Webhook.id == webhook_id, Webhook.user_id == user_id)
    return session.scalar(mine.with_for_update(key_share=True) if lock else mine)


def list_webhooks(
    session: Session, user_id: str, *, limit: int, after: str | None = None
) -> list[Webhook]:
    """A page of a user's webhooks, newest first; one more than `limit` if there are more.

    Raises:
        InvalidRequest: `after` is not one of the user's webhooks.
    """
    query = select(Webhook).where(Webhook.user_id == user_id)
    if after is not None:
        if find_webhook(session, user_id, after) is None:
            raise InvalidRequest("No such webhook.", "after")
        query = query.where(Webhook.id < after)
    return list(session.scalars(query.order_by(Webhook.id.desc()).limit(limit + 1)))


def delete_webhook(session: Session, user_id: str, webhook_id: str) -> bool:
    """Delete a user's webhook with its deliveries. False if there is none."""
    gone = delete(Webhook).where(Webhook.id == webhook_id, Webhook.user_id == user_id)
    return session.scalar(gone.returning(Webhook.id)) is not None


def rotate_secret(session: Session, webhook: Webhook, overlap: timedelta) -> None:
    """Give a webhook a new secret; the one before signs too for so long."""
    webhook.previous_secret = webhook.secret if overlap else None
    webhook.previous_until = session.scalar(select(func.now() + overlap)) if overlap else None
    webhook.secret = new_secret()
    session.flush()


def signs_urls_of_jobs(session: Session, user_id: str) -> bool:
    """Whether the user has a webhook that signs what is sent to the `webhook_url` of jobs."""
    mine = select(Webhook.id).where(Webhook.user_id == user_id, Webhook.url.is_(None))
    return session.scalar(mine) is not None
