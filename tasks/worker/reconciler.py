"""The reconciler: finds jobs that the broker lost or whose worker died, and dispatches what is left
of them.

Every worker has one, as a thread. They take turns, and the database decides between those that
look at the same time all the same. A look that finds nothing is one statement and two commands.
"""

import math
import random
import time
from collections.abc import Callable
from typing import Final

import redis
import structlog
from kombu.exceptions import OperationalError
from sqlalchemy.orm import Session

from config.outages import outages
from config.settings import get_settings
from config.shutdown import shutting_down
from models.broker_marker import adopt_marker
from models.counters import count
from models.errors import DatabaseUnavailable
from models.job_minutes import store_minutes
from models.lifecycle.leases import lease
from models.lifecycle.reconciliation import (
    end_all_orphans,
    end_all_overdue,
    reap_expired_leases,
    take_due,
    unpublished,
)
from models.lifecycle.survey import survey
from models.lifecycle.track_queue import release_stranded
from models.session import unit_of_work
from tasks.celery import app
from tasks.daemon_loop import DaemonLoop
from tasks.jobs.dispatch import dispatch_pending
from tasks.webhooks.dispatch import deliver_due
from tasks.worker.broker_marker import seen_marker
from tasks.worker.broker_queues import waiting_messages
from tasks.worker.turn import return_turn, take_turn

NAME: Final = "reconciler"
BATCH: Final = 200
# A look publishes so many batches, as long as fewer messages wait than these, of which a worker
# process has for some seconds.
BATCHES: Final = 5
FEW_WAITING: Final = 1000
# The length of a turn, in RECONCILE_EVERY_S.
TURN: Final = 0.9
# The minutes that are over are stored by the workers, so that whoever looks at the board first in a
# day does not wait until the day's jobs are counted.
STORE_MINUTES_EVERY_S: Final = 60.0

log = structlog.get_logger(__name__)


class Reconciler:
    """Reconciles, and remembers the database's outages: after one, no run is reaped for a while."""

    def __init__(self) -> None:
        self._unavailable = False
        self._back_since = -math.inf
        self._stored_minutes = -math.inf

    def reconcile(self) -> None:
        """Find and dispatch jobs, if it is this worker's turn; note it if the database is
        unavailable."""
        # A worker that was cut off looks in any case, until it has the database again.
        if not (take_turn(TURN * get_settings().reconcile_every_s) or self._unavailable):
            return
        try:
            whole = self._look()
        except DatabaseUnavailable as error:
            self._unavailable, whole = True, False
            outages.note("database", error, watcher=NAME)
        if not whole:
            return_turn()

    def _look(self) -> bool:
        """Look once; False if runs whose lease has expired are left to another worker."""
        settled = time.monotonic() - self._back_since >= lease().total_seconds()
        reap = settled and not self._unavailable
        marker = _marker()
        found = survey()
        if found.stray:
            reconcile_ends(reap=reap)
        outages.clear("database", NAME)
        if self._unavailable:
            # Other workers may have been cut off too, unable to extend their leases: give them time
            # to. A process that has just started does not wait, or workers that crash soon after
            # their start would never reap a run.
            self._unavailable, self._back_since = False, time.monotonic()
        emptied = marker not in (None, found.marker) and notice_emptied_broker(marker)
        # A marker that was seen is an answer too.
        if (found.stray or found.due or emptied) and (marker is not None or broker_answers()):
            publish_all_due()
        self._store_minutes()
        if found.webhooks:
            deliver_due()
        return reap or not found.stray

    def _store_minutes(self) -> None:
        if time.monotonic() - self._stored_minutes >= STORE_MINUTES_EVERY_S:
            self._stored_minutes = time.monotonic()
            with unit_of_work() as session:
                store_minutes(session)


def reconcile_ends(*, reap: bool) -> None:
    """End orphaned and overdue jobs and, with `reap`, give up the runs whose lease has expired."""
    found = {
        "orphaned": _committed("orphaned", end_all_orphans),
        "overdue": _committed("overdue", end_all_overdue),
        "crashed": _committed("crashed", reap_expired_leases) if reap else 0,
        "stranded": _committed("stranded", release_stranded),
    }
    if any(found.values()):
        log.warning("reconciled", **found)


def _committed(label: str, reconcile: Callable[[Session, int], int]) -> int:
    """Run it in a transaction of its own: what an end locks last, such as its user's budget, must
    not be locked while other ends follow."""
    with unit_of_work() as session:
        number = reconcile(session, BATCH)
        count(session, "reconciled", number, label)
    return number


def _marker() -> str | None:
    """The marker seen in the broker; None if the broker is unavailable, or not Redis."""
    try:
        seen = seen_marker()
    except redis.RedisError as error:
        outages.note("broker", error, watcher=NAME)
        return None
    if seen is not None:
        outages.clear("broker", NAME)
    return seen


def notice_emptied_broker(marker: str) -> bool:
    """Expire all queue leases if their messages were published to another broker, or before this
    one was emptied; False if that was not so, or another worker did."""
    with unit_of_work() as session:
        ended = adopt_marker(session, marker)
        count(session, "reconciled", ended or 0, "broker_emptied")
    if ended is not None:
        log.warning("broker was emptied or replaced", queue_leases_expired=ended)
    return ended is not None


def publish_all_due() -> None:
    """Publish what is due: a batch, and further ones as long as few messages wait in the broker. Of
    those that do, a second message would only cost workers time."""
    for _ in range(BATCHES):
        if publish_due() < BATCH or shutting_down.is_set() or not _few_wait():
            return


def _few_wait() -> bool:
    try:
        waiting = waiting_messages()
    except redis.RedisError as error:
        outages.note("broker", error)
        return False
    return waiting is not None and waiting < FEW_WAITING


def publish_due() -> int:
    """Publish again what should be in the broker and may not be; return the number published."""
    with unit_of_work() as session:
        due = take_due(session, BATCH)
    failed = [each.job_id for each in due if not dispatch_pending(each)]
    if due:
        with unit_of_work() as session:
            unpublished(session, failed)
            count(session, "reconciled", len(due) - len(failed), "published")
        log.info("reconciled", published=len(due) - len(failed), failed=len(failed))
    return len(due) - len(failed)


def broker_answers() -> bool:
    """Whether the broker can be reached now; without it, nothing is published."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
    except (OperationalError, OSError) as error:
        outages.note("broker", error, watcher=NAME)
        return False
    outages.clear("broker", NAME)
    return True


def _interval() -> float:
    """A little more than a turn, so that a worker that is alone always gets the next one."""
    return get_settings().reconcile_every_s * random.uniform(0.95, 1.25)  # noqa: S311 (jitter)


reconciler: Final = DaemonLoop(NAME, Reconciler().reconcile, _interval)
