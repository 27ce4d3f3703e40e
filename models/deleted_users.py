"""Users of an issuer: created on first sight, and not again by what was issued before they were
deleted.

Of a deleted user a digest of the external id stays, and the time: a token that is still valid must
not create the user again, nor must an event that comes late. The same is noted of a user who was
banned: a token of before must not open anything, or it would create a key that stays.
"""

import hashlib
from datetime import datetime, timedelta
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
from models.errors import Unauthorized
from models.users import User, get_or_create_user

# The issuer's clock may be ahead: what was issued before the deletion may seem to be issued after.
CLOCKS_DIFFER_S: Final = 60
# Longer than a call takes that was let in before.
ENDED_LATELY: Final = timedelta(seconds=60)


class DeletedUser(Base):
    """A user who was deleted or banned, by the SHA-256 of the external id, and when."""

    __tablename__ = "deleted_users"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    deleted_at: Mapped[Timestamp]


class AccessEnded(Exception):
    """The user was deleted or banned after the token was issued."""


def find_signed_in_user(
    connection: Connection, external_id: str, issued_at: int | None
) -> str | None:
    """The id of the user whom a token speaks of; None if there is none yet.

    Args:
        issued_at: in seconds since 1970; None if the token doesn't say it, so that it counts as
            issued before any deletion.

    Raises:
        AccessEnded: the user was deleted or banned after that.
    """
    names = {"external": external_id, "deleted": _digest(external_id)}
    user_id, deleted_at = connection.execute(_find_statement(), names).one()
    if deleted_at is not None and _is_before(issued_at, deleted_at):
        raise AccessEnded
    found: str | None = user_id
    return found


def create_signed_in_user(
    session: Session, external_id: str, issued_at: int | None, by: Actor = SYSTEM
) -> str:
    """The id of that user, created once. Raises AccessEnded, as `find_signed_in_user`."""
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


def end_tokens(session: Session, external_id: str) -> None:
    """Let no token that was issued until now speak of the user of this name any more."""
    noted = insert(DeletedUser).values(digest=_digest(external_id), deleted_at=func.now())
    session.execute(
        noted.on_conflict_do_update(
            index_elements=["digest"], set_={"deleted_at": noted.excluded.deleted_at}
        )
    )


def lock_access(session: Session, user_id: str) -> None:
    """Let changes of a user's access take turns until the transaction ends; inserts of his jobs
    don't wait for it.

    Raises:
        Unauthorized: his access was ended, and a call that began before must not create another.
    """
    mine = select(User.external_id, User.created_at).where(User.id == user_id)
    user = session.execute(mine.with_for_update(key_share=True)).first()
    if user is None:
        return
    at = DeletedUser.deleted_at
    lately = (at > user.created_at) & (at > func.now() - ENDED_LATELY)
    if session.scalar(select(lately).where(DeletedUser.digest == _digest(user.external_id))):
        raise Unauthorized("The user was banned.")


def _digest(external_id: str) -> bytes:
    return hashlib.sha256(external_id.encode()).digest()


def _is_before(issued_at: int | None, deleted_at: datetime) -> bool:
    return issued_at is None or issued_at <= deleted_at.timestamp() + CLOCKS_DIFFER_S


@lru_cache(maxsize=1)
def _find_statement() -> Select[tuple[str, datetime]]:
    user = select(User.id).where(User.external_id == bindparam("external"))
    deleted = select(DeletedUser.deleted_at).where(DeletedUser.digest == bindparam("deleted"))
    return select(user.scalar_subquery(), deleted.scalar_subquery())
