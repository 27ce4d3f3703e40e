"""Work that follows a commit: noted with the session, done once the transaction has ended.

Every commit does it, wherever it is made, and a rollback discards it. It runs after the connection
was returned to the pool, so that waiting for the broker keeps no connection busy.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

NOTED: Final = "trimind.after_commit"
COMMITTED: Final = "trimind.committed"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PendingDispatch:
    """A stage of a job whose message has to be published, in this lane of its queue."""

    job_id: str
    epoch: int
    stage: str
    message: str
    lane: int


@dataclass(frozen=True)
class AcceptedJob(PendingDispatch):
    """A job that was accepted; its message has to be published if its slot is `queued`."""

    mind: str
    slot: str
    conversation_id: str | None


@dataclass(frozen=True)
class AfterCommit:
    """The jobs that were accepted, those that have ended, those of them that were cancelled, the
    jobs that were released because another one ended, and the webhooks to notify. A savepoint that
    may be rolled back must note nothing."""

    accepted: list[AcceptedJob] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    released: list[PendingDispatch] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)


Handler = Callable[[AfterCommit], object]

_handlers: list[Handler] = []


def after_commit(session: Session) -> AfterCommit:
    """What the current transaction has noted so far, to be added to."""
    noted: AfterCommit = session.info.setdefault(NOTED, AfterCommit())
    return noted


def register_after_commit(*handlers: Handler) -> list[Handler]:
    """Call these, in this order, after every commit of this process that has noted work.

    An error of one is logged and the next is called, since the commit stands. Returns the handlers
    that they replace.
    """
    replaced, _handlers[:] = list(_handlers), handlers
    return replaced


@event.listens_for(Session, "after_commit")
def _keep_committed(session: Session) -> None:
    if NOTED in session.info and not session.in_nested_transaction():
        session.info[COMMITTED] = session.info.pop(NOTED)


@event.listens_for(Session, "after_transaction_end")
def _end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:  # a savepoint, or a flush
        return
    session.info.pop(NOTED, None)  # rolled back
    committed = session.info.pop(COMMITTED, None)
    if committed is not None:
        run_handlers(committed)


def run_handlers(committed: AfterCommit) -> None:
    """Do what follows a commit. Called for a session by its own events; by whoever commits without
    one, once the connection was returned."""
    for handler in _handlers:
        try:
            handler(committed)
        except Exception:  # a boundary: what is committed must not look as if it were not
            log.exception("after-commit work failed", handler=repr(handler))
