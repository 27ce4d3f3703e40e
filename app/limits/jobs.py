"""How many unfinished jobs one user may have.

A limit below 1,000 is exact, whatever is sent at once: each submit counts the user's jobs under a
lock of its user, which it holds until its transaction ends. That takes longer the more there are,
so a process counts those of a user with a higher limit only once it has accepted a hundredth of the
limit, and after that a twentieth of what was left. If fewer than 100 were left, it counts at each
submit too. So that user may exceed the limit by a twentieth of it at each process, at most.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from flask import g
from sqlalchemy import String, bindparam, func, select
from sqlalchemy.orm import Session

from app.http.errors import TooManyJobs
from app.http.limit_fields import Standing, show
from app.http.problems import Problem, Refusal
from app.limits.known import most_jobs
from config.once import once
from models.jobs import SLOTS, Job
from models.statement import Statement

NAME: Final = "jobs"
UNIT: Final = "jobs"
COUNTED_BELOW: Final = 1000
EXACT_BELOW: Final = 100
# After that, what other processes have accepted may have changed what is left.
FRESH_S: Final = 60.0
RETRY_AFTER_S: Final = 5
MOST_USERS: Final = 10_000


@dataclass(slots=True)
class _Accepted:
    """What this process knows of a user's jobs: how many were left when they were counted, if
    that was lately, and how many it has accepted since."""

    accepted: int = 0
    left: int | None = None
    counted_at: float = 0.0


class JobLimit:
    """Counts of the users who submitted last, up to 10,000. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: OrderedDict[str, _Accepted] = OrderedDict()

    def take(self, user_id: str, jobs: int, limit: int) -> bool:
        """Note that jobs are accepted, if they certainly fit. False: they have to be counted."""
        if limit < COUNTED_BELOW:
            return False
        with self._lock:
            known = self._known(user_id)
            if known.left is not None and time.monotonic() - known.counted_at > FRESH_S:
                known.left = None
            most = limit // 100 if known.left is None else _share(known.left)
            if known.accepted + jobs > most:
                return False
            known.accepted += jobs
            return True

    def counted(self, user_id: str, left: int) -> None:
        """Note how many jobs are left to a user."""
        with self._lock:
            known = self._known(user_id)
            known.accepted, known.left, known.counted_at = 0, left, time.monotonic()

    def _known(self, user_id: str) -> _Accepted:
        known = self._users.get(user_id)
        if known is None:
            if len(self._users) >= MOST_USERS:
                self._users.popitem(last=False)
            known = self._users[user_id] = _Accepted()
        return known


@once
def _job_limit() -> JobLimit:
    return JobLimit()


def certainly_fit(jobs: int = 1) -> bool:
    """Whether the caller may have so many more jobs, without asking the database; they count as
    accepted. False: `require_room` knows."""
    limit = most_jobs(g.user_id)
    return not limit or _job_limit().take(g.user_id, jobs, limit)


def require_room(session: Session, jobs: int = 1) -> None:
    """Refuse the caller one unfinished job too many. Call it first in the transaction that adds the
    jobs. Raises Refusal, with `Retry-After`."""
    user_id, limit = g.user_id, most_jobs(g.user_id, session)
    if not limit or _job_limit().take(user_id, jobs, limit):
        return
    _turn_statement().rows(session, {"user": user_id})
    unfinished: int = _count_statement().rows(session, {"user": user_id})[0][0]
    left = limit - unfinished
    if left < jobs:
        raise _refusal(limit, max(left, 0))
    _job_limit().counted(user_id, left - jobs)


def _share(left: int) -> int:
    return left // 20 if left >= EXACT_BELOW else 0


def _refusal(limit: int, left: int) -> Refusal:
    show(Standing(NAME, limit, left, RETRY_AFTER_S, unit=UNIT))
    detail = (
        f"You may have {limit} unfinished jobs; {left} are left. Submit again once some have ended."
    )
    return Refusal(Problem(TooManyJobs, detail, headers={"Retry-After": str(RETRY_AFTER_S)}))


@lru_cache(maxsize=1)
def _turn_statement() -> Statement:
    """A lock until the transaction's end. The count is a statement of its own: it must see what the
    owner of the lock before has committed."""
    key = func.hashtextextended(bindparam("user", type_=String), 429)
    return Statement(select(func.pg_advisory_xact_lock(key)))


@lru_cache(maxsize=1)
def _count_statement() -> Statement:
    mine = (Job.slot.in_(SLOTS), Job.user_id == bindparam("user", "", type_=String))
    return Statement(select(func.count()).select_from(Job).where(*mine))
