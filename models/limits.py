"""What one user may do, where it differs from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import DateTime, ForeignKey, Integer, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.audit import SYSTEM, Actor, record
from models.base import Base
from models.statement import Runner, Statement

MOST: Final = 1_000_000_000


class UserLimit(Base):
    """One user's own limits. NULL: as the settings say; 0: none."""

    __tablename__ = "user_limits"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    jobs: Mapped[int | None] = mapped_column(Integer)
    streams: Mapped[int | None] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a user. None: as the settings say; 0: none."""

    requests_per_minute: int | None = None
    jobs: int | None = None
    streams: int | None = None


def limits_of(session: Session, user_id: str) -> Limits:
    """A user's own limits."""
    row = session.get(UserLimit, user_id)
    return Limits(row.requests_per_minute, row.jobs, row.streams) if row else Limits()


def change_limits(
    session: Session, user_id: str, changes: Mapping[str, int | None], by: Actor = SYSTEM
) -> None:
    """Change some of a user's limits, by their names in `Limits`; the others stay.

    The row of a user whose limits are reset stays, so that processes notice the change.
    """
    values = {**changes, "updated_at": func.clock_timestamp()}
    added = insert(UserLimit).values(user_id=user_id, **values)
    session.execute(added.on_conflict_do_update(index_elements=["user_id"], set_=values))
    record(session, "limits.changed", user_id, by=by, user_id=user_id, **changes)


def limits_changed_since(runner: Runner, since: datetime) -> dict[str, tuple[Limits, datetime]]:
    """The limits of the users whose limits were changed after `since`, and when, by user."""
    rows = _changed_statement().rows(runner, {"since": since})
    return {row[0]: (Limits(*row[1:4]), row[4]) for row in rows}


@lru_cache(maxsize=1)
def _changed_statement() -> Statement:
    columns = (UserLimit.requests_per_minute, UserLimit.jobs, UserLimit.streams)
    since = bindparam("since", type_=DateTime(timezone=True))
    return Statement(
        select(UserLimit.user_id, *columns, UserLimit.updated_at).where(
            UserLimit.updated_at > since
        )
    )
