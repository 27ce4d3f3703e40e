"""Cancel many jobs of a user by one call, in batches: a transaction each, none of which is long."""

from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from models.lifecycle.cancellation import cancel_batch, matching

CANCELLED_AT_ONCE: Final = 1000
BATCH: Final = 250

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Cancellation:
    """How many jobs were cancelled, and whether unfinished ones that match are left."""

    cancelled: int
    has_more: bool


def cancel_matching(session: Session, user_id: str, **filters: Any) -> Cancellation:
    """Cancel the user's unfinished jobs that match, `CANCELLED_AT_ONCE` at most; commits.

    `filters` are those of `matching`. A job that ends otherwise meanwhile is not counted.
    """
    which = matching(user_id, **filters)
    cancelled, tried = 0, 0
    while tried < CANCELLED_AT_ONCE:
        found, ended = cancel_batch(session, which, min(BATCH, CANCELLED_AT_ONCE - tried))
        session.commit()
        cancelled, tried = cancelled + ended, tried + found
        if found < BATCH:
            break
    has_more = tried == CANCELLED_AT_ONCE and session.scalar(which.limit(1)) is not None
    session.commit()
    if cancelled:
        log.info("jobs cancelled", jobs=cancelled)
    return Cancellation(cancelled, has_more)
