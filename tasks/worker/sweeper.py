"""The sweeper: finishes the deletion of users and webhooks, deletes what is older than
RETENTION_DAYS or, in the audit log, AUDIT_RETENTION_DAYS, and seals secrets by the current key.

Every worker has one, as a thread, and they take turns. All that it does is in small transactions.
"""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from config.outages import outages
from config.settings import get_settings
from config.shutdown import shutting_down
from models.audit_lists import expire_entries
from models.errors import DatabaseUnavailable
from models.lifecycle.retention import expire_conversations, expire_jobs
from models.lifecycle.user_deletion import deleted_users
from models.session import statements, unit_of_work
from models.webhook_deletion import sweep_webhooks
from models.webhooks import seal_again
from tasks.daemon_loop import DaemonLoop
from tasks.jobs.user_deletion import delete_user
from tasks.worker.turn import take_turn

NAME: Final = "sweeper"
EVERY_S: Final = 5.0
# What is old is looked for so often; only that many transactions at a time, so that a deletion of
# users does not wait for it.
EXPIRE_EVERY_S: Final = 60.0
BATCHES: Final = 20
USERS: Final = 10
# Secrets that were sealed by an old key are looked for so often; not at once, since processes that
# do not know the new key may still run.
SEAL_AFTER_S: Final = 600.0
SEAL_EVERY_S: Final = 3600.0
WEBHOOKS: Final = 500

log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps, and remembers what it has looked at: which conversations, and which secrets."""

    def __init__(self, seal_after_s: float = SEAL_AFTER_S) -> None:
        self._after: str | None = ""
        self._more = False
        self._sealed: str | None = None
        self._seals_at = time.monotonic() + seal_after_s

    def sweep(self) -> None:
        """Sweep, if it is this worker's turn; note it if the database is unavailable."""
        if not take_turn(0.9 * EVERY_S, NAME):
            return
        try:
            finish_deletions()
            _repeat(sweep_webhooks)
            self._seal()
            if self._more or take_turn(0.9 * EXPIRE_EVERY_S, "retention"):
                self._expire()
        except DatabaseUnavailable as error:
            outages.note("database", error, watcher=NAME)
        else:
            outages.clear("database", NAME)

    def _expire(self) -> None:
        settings = get_settings()
        if settings.retention_days is not None:
            self._expire_jobs(timedelta(days=settings.retention_days))
        if settings.audit_retention_days:
            age = timedelta(days=settings.audit_retention_days)
            _repeat(lambda session: expire_entries(session, age))

    def _expire_jobs(self, age: timedelta) -> None:
        self._more = _repeat(lambda session: expire_jobs(session, age))
        for _ in range(BATCHES):
            after = self._after or ""
            with unit_of_work() as session:
                self._after = expire_conversations(session, age, after).after
            if self._after is None or shutting_down.is_set():
                break

    def _seal(self) -> None:
        if self._sealed is None and time.monotonic() < self._seals_at:
            return
        for _ in range(BATCHES):
            with unit_of_work() as session:
                self._sealed = seal_again(session, self._sealed or "", WEBHOOKS)
            if self._sealed is None or shutting_down.is_set():
                break
        self._seals_at = time.monotonic() + SEAL_EVERY_S


def finish_deletions() -> None:
    """Delete what is left of users whose deletion has begun."""
    with statements() as connection:
        found = deleted_users(connection, USERS)
    for user_id in found:
        if delete_user(user_id):
            log.info("user deleted", user_id=user_id)


def _repeat(step: Callable[[Session], int]) -> bool:
    """Repeat a step BATCHES times at most, until it has nothing to do; True if more may be left."""
    for _ in range(BATCHES):
        with unit_of_work() as session:
            if step(session) == 0 or shutting_down.is_set():
                return False
    return True


def _interval() -> float:
    return EVERY_S * random.uniform(0.95, 1.25)  # noqa: S311 (jitter)


sweeper: Final = DaemonLoop(NAME, Sweeper().sweep, _interval)
