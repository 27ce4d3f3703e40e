"""Publish the messages for what is due of the outbox, best effort: the reconciler does so again."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import structlog
from kombu.exceptions import OperationalError

from config.outages import outages
from models.session import unit_of_work
from models.webhook_outbox import prune, take_due
from tasks.jobs.message import publish, stage_message
from tasks.policies import DELIVER

QUEUE: Final = "llm"
BATCH: Final = 200
PRUNED_AT_ONCE: Final = 1000

log = structlog.get_logger(__name__)


def dispatch_webhooks(webhook_ids: Iterable[str]) -> None:
    """Publish a message for each of these webhooks, unless the broker is unavailable."""
    for webhook_id in dict.fromkeys(webhook_ids):
        task_id = f"{webhook_id}.{secrets.token_hex(6)}"
        try:
            publish(stage_message(task_id, DELIVER.task, (webhook_id,), []), QUEUE)
        except OperationalError as error:
            outages.note("broker", error)
            return
        outages.clear("broker", "publisher")


def deliver_due() -> None:
    """Publish messages for deliveries that are due, whose message was lost or whose process died,
    and prune old ones."""
    with unit_of_work() as session:
        due = take_due(session, BATCH, timedelta(seconds=DELIVER.dispatch_lease_s))
        pruned = prune(session, PRUNED_AT_ONCE)
    if pruned:
        log.info("old deliveries deleted", deliveries=pruned)
    dispatch_webhooks(due)
