"""Attempts to send what is due to a webhook.

They are at-least-once: an attempt is claimed under a lease, and its result stored afterwards. If
the process dies in between, the event is sent again, under the same id.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from config.once import once
from config.outages import outages
from config.settings import get_settings
from config.shutdown import shutting_down
from models.errors import CircuitOpen, DatabaseUnavailable
from models.session import unit_of_work
from models.webhook_disabling import finish_last
from models.webhook_outbox import Attempt, claim, finish
from tasks.execution import failpoints
from tasks.execution.waiting import begin_waiting, end_waiting
from tasks.metrics.declared import WEBHOOK_ATTEMPTS
from tasks.policies import DELIVER
from tasks.resilience.transaction import run_transaction_with_retry
from tasks.webhooks.dispatch import dispatch_webhooks
from tasks.webhooks.request import Reply, send

# What an attempt comes to, by the delivery's status after it.
OUTCOMES: Final = {"delivered": "delivered", "pending": "retried", "failed": "given_up"}

log = structlog.get_logger(__name__)


def send_due(webhook_id: str) -> None:
    """Send what is due to a webhook, one event after the other."""
    with _slots().slot() as free:
        if not free:
            log.info("message dropped", why="enough webhooks are served by this process")
            return
        until = time.monotonic() + DELIVER.run_limit_s
        while (attempt := _claim(webhook_id)) is not None:
            _attempt(attempt)
            if shutting_down.is_set() or time.monotonic() > until:
                dispatch_webhooks([webhook_id])
                return


def next_wait(attempt: Attempt, asked_s: float | None, jitter: float) -> timedelta | None:
    """How long to wait after a failed attempt; None if it was the last one.

    Args:
        attempt: the attempt that has failed.
        asked_s: how long the receiver asked us to wait.
        jitter: from -1 to 1.
    """
    left = DELIVER.give_up_after_s - attempt.began_s_ago
    if left <= 0:
        return None
    planned = DELIVER.waits_s[min(attempt.number, len(DELIVER.waits_s)) - 1]
    wait = max(planned * (1 + DELIVER.jitter * jitter), asked_s or 0)
    return timedelta(seconds=min(wait, left))


class Slots:
    """How many webhooks this process serves at once: its other threads work for jobs."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = threading.Lock()

    @contextmanager
    def slot(self) -> Iterator[bool]:
        """Take a slot, if one is free, and say whether."""
        with self._lock:
            taken = self._free > 0
            self._free -= taken
        try:
            yield taken
        finally:
            with self._lock:
                self._free += taken

    @property
    def of_user(self) -> int:
        """How many attempts at once a user may have: the fewer, the fewer slots are free, so that
        users whose receivers hang leave some to the others."""
        return min(DELIVER.of_user, 1 + self._free // 4)


@once
def _slots() -> Slots:
    share = get_settings().worker_threads // 4
    return Slots(max(2, min(DELIVER.of_process, share)))


def _claim(webhook_id: str) -> Attempt | None:
    lease = timedelta(seconds=DELIVER.lease_s)
    caps = {"of_webhook": DELIVER.of_webhook, "of_user": _slots().of_user}
    try:
        with unit_of_work() as session:
            return claim(session, webhook_id, lease, **caps)
    except DatabaseUnavailable as error:
        outages.note("database", error)
        return None


def _attempt(attempt: Attempt) -> None:
    failpoints.point(DELIVER.task, "before_send")
    begin_waiting(1)
    try:
        reply = _sent(attempt)
    finally:
        end_waiting(1)
    failpoints.point(DELIVER.task, "after_send")
    _store(attempt, reply)
    failpoints.point(DELIVER.task, "after_store")


def _sent(attempt: Attempt) -> Reply:
    settings = get_settings()
    proxy = settings.webhook_proxy.get_secret_value() if settings.webhook_proxy else None
    return send(attempt, allow_private=settings.webhook_allow_private, proxy=proxy)


def _store(attempt: Attempt, reply: Reply) -> None:
    jitter = random.uniform(-1, 1)  # noqa: S311 (jitter)
    given_up = reply.delivered or reply.gone
    wait = None if given_up else next_wait(attempt, reply.wait_s, jitter)
    status = "delivered" if reply.delivered else "failed" if wait is None else "pending"

    WEBHOOK_ATTEMPTS.add(OUTCOMES[status])

    def store(session: Session) -> tuple[bool, str | None]:
        if status == "failed":
            return finish_last(session, attempt, reply.entry(), gone=reply.gone)
        return finish(session, attempt, reply.entry(), status, wait), None

    try:
        stored, disabled = run_transaction_with_retry(
            store, time.monotonic() + DELIVER.call_limit_s
        )
    except (DatabaseUnavailable, CircuitOpen):  # its lease expires, and it is sent again
        log.warning("result of an attempt not stored", event_id=attempt.event_id)
        return
    log.info(
        "event sent" if reply.delivered else "event not delivered",
        event_id=attempt.event_id,
        attempt=attempt.number,
        status=reply.status,
        error=reply.error,
        ms=reply.ms,
        wait_s=round(wait.total_seconds()) if wait else None,
        stored=stored,
    )
    if disabled is not None:
        log.info("webhook disabled", reason=disabled)
