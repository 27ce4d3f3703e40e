"""The sweeper: finishes the deletion of users, and deletes what is older than RETENTION_DAYS.

Every worker has one, as a thread, and they take turns. All that it does is in small transactions.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from config.outages import outages
from config.settings import get_settings
from config.shutdown import shutting_down
from models.errors import DatabaseUnavailable
from models.lifecycle.retention import expire_conversations, expire_jobs
from models.lifecycle.user_deletion import deleted_users
from models.session import statements, unit_of_work
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

log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps, and remembers which conversations it has looked at."""

    def __init__(self) -> None:
        self._after: str | None = ""

    def sweep(self) -> None:
        """Sweep, if it is this worker's turn; note it if the database is unavailable."""
        if not take_turn(0.9 * EVERY_S, NAME):
            return
        try:
            finish_deletions()
            days = get_settings().retention_days
            if days is not None and take_turn(0.9 * EXPIRE_EVERY_S, "retention"):
                self._expire(timedelta(days=days))
        except DatabaseUnavailable as error:
            outages.note("database", error, watcher=NAME)
        else:
            outages.clear("database", NAME)

    def _expire(self, age: timedelta) -> None:
        for _ in range(BATCHES):
            after = self._after or ""
            with unit_of_work() as session:
                self._after = expire_conversations(session, age, after)
            if self._after is None or shutting_down.is_set():
                break
        _repeat(lambda session: expire_jobs(session, age))


def finish_deletions() -> None:
    """Delete what is left of users whose deletion has begun."""
    with statements() as connection:
        found = deleted_users(connection, USERS)
    for user_id in found:
        if delete_user(user_id):
            log.info("user deleted", user_id=user_id)


def _repeat(step: Callable[[Session], int]) -> None:
    for _ in range(BATCHES):
        with unit_of_work() as session:
            if step(session) == 0 or shutting_down.is_set():
                return


def _interval() -> float:
    return EVERY_S * random.uniform(0.95, 1.25)  # noqa: S311 (jitter)


sweeper: Final = DaemonLoop(NAME, Sweeper().sweep, _interval)
