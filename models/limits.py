"""What one user may do, where it differs from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import DateTime, ForeignKey, Integer, Numeric, Select, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from config.settings import get_settings
from models.audit import SYSTEM, Actor, record
from models.base import Base
from models.statement import Runner, Statement

MOST: Final = 1_000_000_000
MOST_SHARE: Final = 100_000
MOST_USD: Final = Decimal("99_999_999.999999")


class UserLimit(Base):
    """One user's own limits. NULL: as the settings say; 0: none.

    `jobs_in_flight`: the user's share (`models/lifecycle/shares.py`), 1 at least.
    """

    __tablename__ = "user_limits"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    jobs: Mapped[int | None] = mapped_column(Integer)
    streams: Mapped[int | None] = mapped_column(Integer)
    spend_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 6))
    jobs_in_flight: Mapped[int | None] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a user. None: as the settings say; 0: none."""

    requests_per_minute: int | None = None
    jobs: int | None = None
    streams: int | None = None
    spend_usd: Decimal | None = None
    jobs_in_flight: int | None = None

    @property
    def budget_usd(self) -> Decimal | None:
        """What the jobs of a month may cost; None: there is no budget."""
        own = self.spend_usd
        return (own if own is not None else get_settings().spend_limit_usd) or None


def limits_of(session: Session, user_id: str) -> Limits:
    """A user's own limits."""
    row = session.execute(_columns().where(UserLimit.user_id == user_id)).one_or_none()
    return Limits(*row[1:-1]) if row else Limits()


def change_limits(
    session: Session, user_id: str, changes: Mapping[str, int | Decimal | None], by: Actor = SYSTEM
) -> None:
    """Change some of a user's limits, by their names in `Limits`; the others stay.

    The row of a user whose limits are reset stays, so that processes notice the change.
    """
    values = {**changes, "updated_at": func.clock_timestamp()}
    added = insert(UserLimit).values(user_id=user_id, **values)
    session.execute(added.on_conflict_do_update(index_elements=["user_id"], set_=values))
    details = {name: str(to) if isinstance(to, Decimal) else to for name, to in changes.items()}
    record(session, "limits.changed", user_id, by=by, user_id=user_id, **details)


def limits_changed_since(runner: Runner, since: datetime) -> dict[str, tuple[Limits, datetime]]:
    """The limits of the users whose limits were changed after `since`, and when, by user."""
    rows = _changed_statement().rows(runner, {"since": since})
    return {row[0]: (Limits(*row[1:-1]), row[-1]) for row in rows}


@lru_cache(maxsize=1)
def _changed_statement() -> Statement:
    since = bindparam("since", type_=DateTime(timezone=True))
    return Statement(_columns().where(UserLimit.updated_at > since))


def _columns() -> Select[Any]:
    """Of whom, the limits in the order of `Limits`, and since when."""
    limits = (getattr(UserLimit, field.name) for field in fields(Limits))
    return select(UserLimit.user_id, *limits, UserLimit.updated_at)
