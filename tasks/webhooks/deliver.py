"""The Celery task that sends what is due to a webhook."""

from structlog.contextvars import bound_contextvars

from tasks.celery import app
from tasks.execution import failpoints
from tasks.policies import DELIVER
from tasks.webhooks.attempts import send_due


@app.task(name=DELIVER.task, base=failpoints.task_class())
def deliver(webhook_id: str) -> None:
    """Send what is due to a webhook. The message only says that something may be."""
    with bound_contextvars(webhook_id=webhook_id):
        send_due(webhook_id)
