"""The database's copy of the broker's marker: by it an emptied broker is noticed."""

from sqlalchemy import CheckConstraint, String, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.jobs import Job
from models.lifecycle.fence import now


class BrokerMarker(Base):
    """One row: the marker that the broker had when it was last looked at."""

    __tablename__ = "broker_marker"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    value: Mapped[str] = mapped_column(String(128))


def adopt_marker(session: Session, seen: str) -> int | None:
    """Compare the marker seen in the broker with the copy; the queue leases that end with it.

    None: they are the same. Whoever changes the copy (one of many, by compare-and-set) ends all
    queue leases, since the messages that they vouch for are gone. A first sight of a broker says
    nothing of a loss: the leases stay.
    """
    known = session.scalar(select(BrokerMarker.value).where(BrokerMarker.id == 1))
    if known == seen:
        return None
    if known is None:
        session.execute(insert(BrokerMarker).values(id=1, value=seen).on_conflict_do_nothing())
        return None
    won = session.scalar(
        update(BrokerMarker)
        .where(BrokerMarker.id == 1, BrokerMarker.value == known)
        .values(value=seen)
        .returning(BrokerMarker.id)
    )
    if won is None:
        return None
    ended = session.scalars(
        update(Job)
        .where(Job.slot == "queued", Job.queue_lease_until > now())
        .values(queue_lease_until=now())
        .returning(Job.id)
    ).all()
    return len(ended)
