"""Counters of the whole fleet. In PostgreSQL they outlive every process and need no aggregation."""

from typing import Final

from sqlalchemy import BigInteger, String, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base

# What the reconciler finds.
FINDS: Final = ("orphaned", "overdue", "crashed", "stranded", "broker_emptied", "published")


class Counter(Base):
    """A monotonic counter, by name and label."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    value: Mapped[int] = mapped_column(BigInteger)


def count(session: Session, name: str, by: int, label: str = "") -> None:
    """Add to a counter, in the transaction of what is counted. 0 runs no statement."""
    if not by:
        return
    session.execute(
        insert(Counter)
        .values(name=name, label=label, value=by)
        .on_conflict_do_update(index_elements=["name", "label"], set_={"value": Counter.value + by})
    )


def counters(session: Session) -> dict[tuple[str, str], int]:
    """Every counter, by name and label."""
    return {
        (name, label): value
        for name, label, value in session.execute(
            select(Counter.name, Counter.label, Counter.value)
        )
    }
