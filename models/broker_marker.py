"""The database's copy of the broker's marker, which reveals a broker that lost its data."""

from sqlalchemy import CheckConstraint, String, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.jobs import Job
from models.lifecycle.fence import now


class BrokerMarker(Base):
    """One row: the marker that the broker had when it was last checked."""

    __tablename__ = "broker_marker"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    value: Mapped[str] = mapped_column(String(128))


def adopt_marker(session: Session, seen: str) -> int | None:
    """Replace the copy with the marker seen in the broker, and expire all queue leases.

    The leases' messages are gone with the old broker. Of several processes that see a new marker,
    one replaces the copy (compare-and-set) and expires the leases. The first marker ever seen
    expires none.

    Returns:
        How many leases expired; None if this process replaced no marker.
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
