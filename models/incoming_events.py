"""Events that were sent to us and processed: each is processed once, however often it is sent."""

import hashlib
from datetime import timedelta
from typing import Final

from sqlalchemy import Index, LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp

# Longer than the window in which a signed event is accepted, with both clocks wrong by a minute.
KEPT: Final = timedelta(hours=1)
SWEPT_AT_ONCE: Final = 20


class IncomingEvent(Base):
    """An event that was processed, by the SHA-256 of its id."""

    __tablename__ = "incoming_events"
    __table_args__ = (Index("ix_incoming_events_received_at", "received_at"),)

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    received_at: Mapped[Timestamp]


def note_event(session: Session, event_id: str) -> bool:
    """Note an event in the transaction that processes it; False if it was processed before.

    A copy that is being processed meanwhile is waited for. Each new event deletes a few old ones.
    """
    digest = hashlib.sha256(event_id.encode()).digest()
    noted = insert(IncomingEvent).values(digest=digest).on_conflict_do_nothing()
    if session.scalar(noted.returning(IncomingEvent.digest)) is None:
        return False
    old = select(IncomingEvent.digest).where(IncomingEvent.received_at < func.now() - KEPT)
    some = old.limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    session.execute(
        delete(IncomingEvent).where(IncomingEvent.digest.in_(some)),
        execution_options={"synchronize_session": False},
    )
    return True
