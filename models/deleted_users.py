"""Users of an issuer: created on first sight, and not again by what was issued before they were
deleted.

Of a deleted user a digest of the external id stays, and the time: a token that is still valid must
not create the user again, nor must an event that comes late.
"""

import hashlib
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import (
    BigInteger,
    Connection,
    LargeBinary,
    Select,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.audit import SYSTEM, Actor
from models.base import Base, Timestamp
from models.users import User, get_or_create_user

# The issuer's clock may be ahead: what was issued before the deletion may seem to be issued after.
CLOCKS_DIFFER_S: Final = 60


class DeletedUser(Base):
    """A user who was deleted, by the SHA-256 of the external id."""

    __tablename__ = "deleted_users"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    deleted_at: Mapped[Timestamp]


class UserDeleted(Exception):
    """The user was deleted after the token was issued."""


def find_signed_in_user(
    connection: Connection, external_id: str, issued_at: int | None
) -> str | None:
    """The id of the user whom a token speaks of; None if there is none yet.

    Args:
        issued_at: in seconds since 1970; None if the token doesn't say it, so that it counts as
            issued before any deletion.

    Raises:
        UserDeleted: the user was deleted after that.
    """
    names = {"external": external_id, "deleted": _digest(external_id)}
    user_id, deleted_at = connection.execute(_find_statement(), names).one()
    if deleted_at is not None and _is_before(issued_at, deleted_at):
        raise UserDeleted
    found: str | None = user_id
    return found


def create_signed_in_user(
    session: Session, external_id: str, issued_at: int | None, by: Actor = SYSTEM
) -> str:
    """The id of that user, created once. Raises UserDeleted, as `find_signed_in_user`."""
    lock_name(session, external_id)
    found = find_signed_in_user(session.connection(), external_id, issued_at)
    return found or get_or_create_user(session, external_id, by)


def lock_name(session: Session, external_id: str) -> None:
    """Lock an external id until the transaction ends: no user of this name is created or deleted
    meanwhile."""
    lock = int.from_bytes(_digest(external_id)[:8], signed=True)
    session.execute(
        text("SELECT pg_advisory_xact_lock(:lock)").bindparams(bindparam("lock", lock, BigInteger))
    )


def note_deletion(session: Session, external_id: str) -> None:
    """Note that the user of this name was deleted now."""
    noted = insert(DeletedUser).values(digest=_digest(external_id), deleted_at=func.now())
    session.execute(
        noted.on_conflict_do_update(
            index_elements=["digest"], set_={"deleted_at": noted.excluded.deleted_at}
        )
    )


def _digest(external_id: str) -> bytes:
    return hashlib.sha256(external_id.encode()).digest()


def _is_before(issued_at: int | None, deleted_at: datetime) -> bool:
    return issued_at is None or issued_at <= deleted_at.timestamp() + CLOCKS_DIFFER_S


@lru_cache(maxsize=1)
def _find_statement() -> Select[tuple[str, datetime]]:
    user = select(User.id).where(User.external_id == bindparam("external"))
    deleted = select(DeletedUser.deleted_at).where(DeletedUser.digest == bindparam("deleted"))
    return select(user.scalar_subquery(), deleted.scalar_subquery())
