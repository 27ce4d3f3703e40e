"""What has to follow a transaction once it is committed; it stays with its session until then."""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

KEY: Final = "aftermath"


@dataclass(frozen=True)
class PendingDispatch:
    """A stage of a job whose message has to be published."""

    job_id: str
    epoch: int
    stage: str
    message: str


@dataclass(frozen=True)
class Aftermath:
    """The jobs that have ended, those of them that were cancelled, and the jobs behind them that
    were released. Whoever rolls back to a savepoint must have noted nothing since."""

    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    released: list[PendingDispatch] = field(default_factory=list)


def aftermath(session: Session) -> Aftermath:
    """What this transaction has noted so far, to be added to."""
    noted: Aftermath = session.info.setdefault(KEY, Aftermath())
    return noted


def take_aftermath(session: Session) -> Aftermath:
    """What the transaction that was just committed has noted; handed out once."""
    noted: Aftermath = session.info.pop(KEY, Aftermath())
    return noted
