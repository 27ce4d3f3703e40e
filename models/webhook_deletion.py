"""Deletes webhooks, and ends what disabled ones are still owed: however much it is, in small
transactions. A webhook may have a million deliveries, and an event that is just being added waits
for whoever deletes its webhook."""

from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from models.webhook_deliveries import BATCH, WebhookDelivery, end_owed, now
from models.webhook_outbox import owed
from models.webhooks import DISABLED, Webhook


def delete_webhook(session: Session, user_id: str, webhook_id: str) -> bool:
    """Delete a user's webhook with its deliveries; if they are many, a worker deletes the rest,
    while its owner sees it no more. False if there is none."""
    columns = {
        "deleted_at": now(),
        "disabled_at": func.coalesce(Webhook.disabled_at, now()),
        "disabled_reason": func.coalesce(Webhook.disabled_reason, DISABLED),
    }
    mine = update(Webhook).where(
        Webhook.id == webhook_id, Webhook.user_id == user_id, Webhook.deleted_at.is_(None)
    )
    if session.scalar(mine.values(**columns).returning(Webhook.id)) is None:
        return False
    _delete_some(session, webhook_id)
    return True


def sweep_webhooks(session: Session) -> int:
    """Delete some deliveries of a deleted webhook, or end some of a disabled one; returns how many,
    or 0 if none are left."""
    deleted = select(Webhook.id).where(Webhook.deleted_at.is_not(None))
    first = deleted.order_by(Webhook.deleted_at).limit(1)
    webhook_id = session.scalar(first.with_for_update(skip_locked=True))
    if webhook_id is not None:
        return _delete_some(session, webhook_id)
    disabled = select(Webhook.id).where(Webhook.id == owed(), Webhook.disabled_at.is_not(None))
    webhook_id = session.scalar(disabled.limit(1))
    return 0 if webhook_id is None else end_owed(session, webhook_id)


def _delete_some(session: Session, webhook_id: str) -> int:
    """Delete some deliveries of a webhook, and the webhook with the last ones."""
    its = WebhookDelivery.webhook_id == webhook_id
    # In the order of the key: without it, the planner may read the table from its beginning, past
    # all that was deleted before.
    some = select(WebhookDelivery.event_id).where(its).order_by(WebhookDelivery.event_id)
    gone = delete(WebhookDelivery).where(its, WebhookDelivery.event_id.in_(some.limit(BATCH)))
    done = session.execute(gone, execution_options={"synchronize_session": False})
    rows = cast(CursorResult[Any], done).rowcount
    if rows < BATCH:
        session.execute(delete(Webhook).where(Webhook.id == webhook_id))
    return rows + 1
