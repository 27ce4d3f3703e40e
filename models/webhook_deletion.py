"""Deletes webhooks, and ends what disabled ones are still owed: however much it is, in small
transactions. A webhook may have a million deliveries, and an event that is just being added waits
for whoever deletes its webhook."""

from datetime import timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.orm import Session

from models.webhook_deliveries import BATCH, WebhookDelivery, end_if_disabled, now
from models.webhook_outbox import owed
from models.webhooks import DISABLED, Webhook

# The row stays for so long. A statement that ends a job, and began before, still adds its event,
# which refers to the row: without it the end would fail. No statement takes longer than 30 s
# (`models/connection.py`).
STAYS_FOR: Final = timedelta(minutes=2)


def delete_webhook(session: Session, user_id: str, webhook_id: str) -> bool:
    """Delete a user's webhook with its deliveries, so that its owner sees it no more; a worker
    deletes the row, and the rest of them if they are many. False if there is none."""
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
    """Delete a deleted webhook or some of its deliveries, or end some of a disabled one; returns
    how many rows, or 0 if none are left."""
    its = WebhookDelivery.webhook_id == Webhook.id
    # No EXISTS, for which the planner may read the deliveries of all webhooks.
    first_event = select(func.min(WebhookDelivery.event_id)).where(its).scalar_subquery()
    is_over = Webhook.deleted_at < func.now() - STAYS_FOR
    left = select(Webhook.id, is_over).where(
        Webhook.deleted_at.is_not(None), or_(is_over, first_event.is_not(None))
    )
    first = left.order_by(Webhook.deleted_at).limit(1)
    first = first.with_for_update(key_share=True, skip_locked=True)
    if (deleted := session.execute(first).one_or_none()) is not None:
        webhook_id, over = deleted
        rows = _delete_some(session, webhook_id)
        if over and rows < BATCH:
            session.execute(delete(Webhook).where(Webhook.id == webhook_id))
        return rows + 1
    disabled = select(Webhook.id).where(
        Webhook.id == owed(), Webhook.disabled_at.is_not(None), Webhook.deleted_at.is_(None)
    )
    disabled_id = session.scalar(disabled.limit(1))
    return 0 if disabled_id is None else end_if_disabled(session, disabled_id)


def _delete_some(session: Session, webhook_id: str) -> int:
    """Delete some deliveries of a webhook; returns how many."""
    its = WebhookDelivery.webhook_id == webhook_id
    # In the order of the key: without it, the planner may read the table from its beginning, past
    # all that was deleted before.
    some = select(WebhookDelivery.event_id).where(its).order_by(WebhookDelivery.event_id)
    gone = delete(WebhookDelivery).where(its, WebhookDelivery.event_id.in_(some.limit(BATCH)))
    done = session.execute(gone, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], done).rowcount
