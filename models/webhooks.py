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
    Select,
    String,
    func,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Id, Timestamp
from models.conflicts import TooManyWebhooks, WebhookExists
from models.ids import new_id
from models.jobs import FINISHED, URL_MAX_CHARS
from models.pages import page_of
from models.sealing import is_current, seal, unseal
from models.users import User

EVENT_TYPES: Final = tuple(f"job.{status}" for status in FINISHED)
MAX_WEBHOOKS: Final = 20
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (no secret)
SECRET_BYTES: Final = 32
# Why a webhook is disabled: by its owner, because its receiver answered 410, or fails for days.
DISABLED: Final = "disabled"
GONE: Final = "gone"
FAILING: Final = "failing"


class Webhook(Base):
    """Where and how a user is notified. One without a URL signs what is sent to the `webhook_url`
    of the user's jobs.

    `secret` signs, and `previous_secret` too, until `previous_until`; both are sealed
    (`models/sealing.py`). `dispatched_until` is how long a message that the reconciler has
    published is assumed to be in the broker. One that is deleted is disabled, and its owner sees it
    no more; the row stays until all of its deliveries are gone, for two minutes at least.
    """

    __tablename__ = "webhooks"
    __table_args__ = (
        Index(
            "uq_webhooks_signing",
            "user_id",
            unique=True,
            postgresql_where="url IS NULL AND deleted_at IS NULL",
        ),
        Index("ix_webhooks_deleted_at", "deleted_at", postgresql_where="deleted_at IS NOT NULL"),
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
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[Timestamp]


def new_secret() -> bytes:
    """A secret to sign with."""
    return secrets.token_bytes(SECRET_BYTES)


def shown_secret(webhook: Webhook) -> str:
    """A webhook's secret as its owner gets it: once, since it can't be read again."""
    secret = unseal(webhook.secret, webhook.id) or b""
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
    urls = list(session.scalars(_of_user(user_id).with_only_columns(Webhook.url)))
    if len(urls) >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"There are {MAX_WEBHOOKS} webhooks, which is the most.")
    if url is None and None in urls:
        raise WebhookExists("There is a webhook without a URL already.")
    webhook_id = new_id("hook")
    webhook = Webhook(
        id=webhook_id,
        user_id=user_id,
        url=url,
        events=list(EVENT_TYPES if events is None else events),
        secret=seal(new_secret(), webhook_id),
    )
    session.add(webhook)
    session.flush()
    return webhook


def find_webhook(
    session: Session, user_id: str, webhook_id: str, *, lock: bool = False
) -> Webhook | None:
    """A user's webhook; None if it is unknown or another user's."""
    mine = _of_user(user_id).where(Webhook.id == webhook_id)
    return session.scalar(mine.with_for_update(key_share=True) if lock else mine)


def list_webhooks(
    session: Session, user_id: str, *, limit: int, after: str | None = None
) -> list[Webhook]:
    """A page of a user's webhooks, newest first; one more than `limit` if there are more.

    Raises:
        InvalidRequest: `after` is not one of the user's webhooks.
    """
    return page_of(session, _of_user(user_id), Webhook.id, limit=limit, after=after)


def rotate_secret(session: Session, webhook: Webhook, overlap: timedelta) -> None:
    """Give a webhook a new secret; the one before signs too for so long."""
    webhook.previous_secret = webhook.secret if overlap else None
    webhook.previous_until = session.scalar(select(func.now() + overlap)) if overlap else None
    webhook.secret = seal(new_secret(), webhook.id)
    session.flush()


def seal_again(session: Session, after: str, limit: int) -> str | None:
    """Seal the secrets of the next webhooks, in the order of their ids, that were sealed by an old
    key, or by none. Those that no key opens are left.

    Returns:
        Where to continue; None after the last.
    """
    columns = (Webhook.id, Webhook.secret, Webhook.previous_secret)
    following = select(*columns).where(Webhook.id > after).order_by(Webhook.id).limit(limit)
    found = session.execute(following).all()
    old = [row.id for row in found if not all(is_current(each) for each in row[1:] if each)]
    locked = select(Webhook).where(Webhook.id.in_(old)).order_by(Webhook.id)
    for webhook in session.scalars(locked.with_for_update(key_share=True)):
        webhook.secret = _sealed_again(webhook.secret, webhook.id)
        if webhook.previous_secret is not None:
            webhook.previous_secret = _sealed_again(webhook.previous_secret, webhook.id)
    return found[-1].id if len(found) == limit else None


def signs_urls_of_jobs(session: Session, user_id: str) -> bool:
    """Whether the user has a webhook that signs what is sent to the `webhook_url` of jobs."""
    signing = _of_user(user_id).with_only_columns(Webhook.id).where(Webhook.url.is_(None))
    return session.scalar(signing) is not None


def _of_user(user_id: str) -> Select[tuple[Webhook]]:
    return select(Webhook).where(Webhook.user_id == user_id, Webhook.deleted_at.is_(None))


def _sealed_again(stored: bytes, webhook_id: str) -> bytes:
    secret = None if is_current(stored) else unseal(stored, webhook_id)
    return stored if secret is None else seal(secret, webhook_id)
