"""The reconciler: finds jobs that the broker lost or whose worker died, and dispatches the rest.

One runs in every worker, as a thread; what they do at once is settled by the database.
"""

import random
import threading
import time
from typing import Final

import structlog
from kombu.exceptions import OperationalError

from models.errors import DatabaseUnavailable
from models.reconciliation import bury_dead, end_all_overdue, take_due
from models.session import unit_of_work
from models.transitions import LEASE
from tasks.celery import app
from tasks.heartbeat import stopping
from tasks.pipeline import dispatch, is_long

EVERY_S: Final = 3.0
BATCH: Final = 100

log = structlog.get_logger(__name__)


class Reconciler(threading.Thread):
    """Reconciles every few seconds until the process stops."""

    def __init__(self) -> None:
        super().__init__(name="reconciler", daemon=True)
        self._database_since: float | None = None

    def run(self) -> None:
        while not stopping.wait(EVERY_S * random.uniform(0.7, 1.3)):  # noqa: S311 (jitter)
            try:
                self._once()
            except DatabaseUnavailable as error:
                self._database_since = None
                log.warning("reconciler waits for the database", error=str(error))
            except Exception:  # the seam: a bug here must not end the thread unseen
                log.exception("reconciler failed")

    def _once(self) -> None:
        now = time.monotonic()
        self._database_since = self._database_since or now
        # After an outage every lease looks expired: their owners get one lease's time to beat.
        settled = now - self._database_since >= LEASE.total_seconds()
        ended, buried = reconcile_ends(bury=settled)
        sent = publish_due() if broker_answers() else 0
        if ended or buried or sent:
            log.info("reconciled", overdue=ended, dead=buried, published=sent)


def reconcile_ends(*, bury: bool) -> tuple[int, int]:
    """End overdue jobs and, with `bury`, give up runs whose lease ran out; how many of each."""
    with unit_of_work() as session:
        return end_all_overdue(session, BATCH), bury_dead(session, BATCH) if bury else 0


def publish_due() -> int:
    """Publish again what should be in the broker and perhaps is not; how many messages."""
    with unit_of_work() as session:
        due = take_due(session, BATCH)
    return sum(dispatch(d.job_id, d.epoch, d.stage, long=is_long(d.message)) for d in due)


def broker_answers() -> bool:
    """Whether the broker can be reached now: with it away, nothing is published."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
    except (OperationalError, OSError) as error:
        log.warning("reconciler waits for the broker", error=type(error).__name__)
        return False
    return True
