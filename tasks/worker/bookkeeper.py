"""The bookkeeper: stores the models' prices, and adds what ended jobs have used to the usage of
their users.

Every worker that calls models has one, as a thread. The database lets one at a time do the work.
"""

import random
from typing import Final

import structlog

from models.session import statements, unit_of_work
from models.spend import settle_left
from models.usage import add_ended, any_ended
from tasks.daemon_loop import DaemonLoop

NAME: Final = "bookkeeper"
EVERY_S: Final = 5.0
BATCH: Final = 200

log = structlog.get_logger(__name__)


class Bookkeeper:
    """Keeps the books, and remembers whether this process has stored the prices."""

    def __init__(self) -> None:
        self._priced = False

    def keep_books(self) -> None:
        """Do what is due. Raises DatabaseUnavailable."""
        if not self._priced:
            # Imported here, since a worker that calls no model must not load LiteLLM.
            from tasks.llm.price_list import publish_prices

            publish_prices()
            self._priced = True
        with statements() as connection:
            due = any_ended(connection)
        if due:
            keep_books()


def keep_books() -> None:
    """Settle what was left unsettled, and add all jobs that have ended to the usage."""
    with unit_of_work() as session:
        left = settle_left(session, BATCH)
    if left:
        log.warning("settled jobs that had ended unsettled", jobs=left)
    more = True
    while more:
        with unit_of_work() as session:
            more = add_ended(session)


def _interval() -> float:
    return EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311 (jitter)


bookkeeper: Final = DaemonLoop(NAME, Bookkeeper().keep_books, _interval)
