"""How many jobs are held: they have no message, so that nothing else of a worker shows them."""

from concurrent.futures import Executor
from typing import Final

from models import backlog
from models.errors import DatabaseUnavailable
from models.session import autocommit, outages_translated

# Whoever asks waits for it in the worker's main thread.
WITHIN_S: Final = 1.0


def held_jobs(executor: Executor) -> int | None:
    """The number of held jobs of all users, counted in a thread of this executor; None if that is
    not known within a second."""
    try:
        return executor.submit(_count).result(WITHIN_S)
    except (TimeoutError, DatabaseUnavailable):
        return None


def _count() -> int:
    with outages_translated(), autocommit() as connection:
        return backlog.held_jobs(connection)
