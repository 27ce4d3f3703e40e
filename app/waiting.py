"""Wait for the end of a job, for a while, without asking the database again and again."""

import time
from collections.abc import Callable, Collection
from typing import Final

from app.doorbell import get_doorbell
from app.stopping import is_stopping
from models.jobs import unfinished
from models.session import unit_of_work

TICK_S: Final = 0.5


def wait_for_end(
    user_id: str,
    job_ids: Collection[str],
    seconds: float,
    given_up: Callable[[], bool] = lambda: False,
) -> None:
    """Return once all of a user's jobs have ended, or when the time is over, this process ends, or
    it is `given_up`, for which is looked every half second.

    No database connection is held meanwhile. Raises DatabaseUnavailable.
    """
    until = time.monotonic() + seconds
    rest = _unfinished(user_id, job_ids)
    if not rest:
        return
    with get_doorbell().listen(rest) as bell:
        rest = _unfinished(user_id, rest)  # some may have ended before they were listened to
        while rest and not is_stopping() and (left := until - time.monotonic()) > 0:
            if given_up():
                return
            heard = bell.get(min(TICK_S, left))
            if heard is not None and (heard[1] is None or heard[1].kind == "ended"):
                rest = _unfinished(user_id, rest)


def _unfinished(user_id: str, job_ids: Collection[str]) -> set[str]:
    with unit_of_work() as session:
        return unfinished(session, user_id, job_ids)
