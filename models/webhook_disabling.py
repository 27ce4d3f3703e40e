"""Disables a webhook whose receiver is gone for good, or has failed for days."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.ids import first_id_at
from models.webhook_deliveries import WebhookDelivery, disable
from models.webhook_outbox import Attempt, finish
from models.webhooks import FAILING, GONE, Webhook

# Longer than an event is retried, so that more than one has failed by then.
FAILS_FOR: Final = timedelta(days=5)


def finish_last(
    session: Session, attempt: Attempt, entry: dict[str, Any], *, gone: bool
) -> tuple[bool, str | None]:
    """`finish` the last attempt of a delivery, as failed; and disable the webhook if its receiver
    is gone for good, or fails for days. One that was given by a job is only that job's.

    Returns:
        Whether it was stored, and why the webhook is disabled now, None if it is not.
    """
    if not attempt.own_url:
        return finish(session, attempt, entry, "failed"), None
    # Whoever disables a webhook locks it before its deliveries.
    this = select(Webhook.id).where(Webhook.id == attempt.webhook_id)
    session.execute(this.with_for_update(key_share=True))
    if not finish(session, attempt, entry, "failed"):
        return False, None
    reason = GONE if gone else FAILING if is_failing(session, attempt.webhook_id) else None
    if reason is not None:
        disable(session, attempt.webhook_id, reason)
    return True, reason


def is_failing(session: Session, webhook_id: str) -> bool:
    """Whether no event of the last FAILS_FOR was delivered, and an older one has failed. It reads
    two entries of an index."""
    its = WebhookDelivery.webhook_id == webhook_id
    since = first_id_at("evt", datetime.now(UTC) - FAILS_FOR)
    newest = select(func.max(WebhookDelivery.event_id)).where(
        its, WebhookDelivery.status == "delivered"
    )
    oldest = select(func.min(WebhookDelivery.event_id)).where(
        its, WebhookDelivery.status == "failed"
    )
    delivered, failed = session.execute(
        select(newest.scalar_subquery(), oldest.scalar_subquery())
    ).one()
    return (delivered or "") < since and failed is not None and failed < since
