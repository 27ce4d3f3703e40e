"""API keys, shown once and stored as an HMAC under the pepper."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

from sqlalchemy import (
    ARRAY,
    Connection,
    ForeignKey,
    LargeBinary,
    Select,
    String,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.audit import SYSTEM, Actor, record
from models.base import Base, Id, Timestamp
from models.ids import new_id
from models.users import User

KEY_PREFIX = "tm_"
# The scope of operators: everybody's jobs, and the state of the installation.
ADMIN: Final = "admin"

Scopes = Annotated[list[str], mapped_column(ARRAY(String(16)), server_default="{}")]


class ApiKey(Base):
    """A user's key. `hint` is its first characters, by which people tell keys apart; `scopes` is
    what it may do besides acting for its user."""

    __tablename__ = "api_keys"

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    hint: Mapped[str] = mapped_column(String(12))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    scopes: Mapped[Scopes]
    created_at: Mapped[Timestamp]
    revoked_at: Mapped[datetime | None]


def digest_of(key: str, pepper: bytes) -> bytes:
    """The stored form of a key: its HMAC-SHA256 (32 bytes)."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def create_key(
    session: Session,
    user_id: str,
    name: str,
    pepper: bytes,
    scopes: Iterable[str] = (),
    by: Actor = SYSTEM,
) -> str:
    """Create a key for a user and return it; it can't be read again."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    made = ApiKey(
        id=new_id("key"),
        user_id=user_id,
        name=name,
        hint=key[:8],
        digest=digest_of(key, pepper),
        scopes=list(scopes),
    )
    session.add(made)
    details = {"name": name, "hint": made.hint, "scopes": made.scopes}
    record(session, "key.created", made.id, by=by, user_id=user_id, **details)
    return key


def owner_of_key(connection: Connection, key: str, pepper: bytes) -> str | None:
    """The id of a key's owner, or None for an unknown or revoked key."""
    found: str | None = connection.scalar(_owner_statement(), {"key": digest_of(key, pepper)})
    return found


def scopes_of_key(connection: Connection, key: str, pepper: bytes) -> list[str]:
    """The scopes of a key; none for an unknown or revoked key."""
    active = (ApiKey.digest == digest_of(key, pepper), ApiKey.revoked_at.is_(None))
    return connection.scalar(select(ApiKey.scopes).where(*active)) or []


@dataclass(frozen=True)
class KeySummary:
    """The public part of a key. `user` is its owner's external id."""

    id: str
    hint: str
    user: str
    name: str
    created_at: datetime
    revoked_at: datetime | None


def list_keys(session: Session, external_id: str | None = None) -> list[KeySummary]:
    """All keys, or those of one user, oldest first, revoked ones included."""
    columns = (ApiKey.id, ApiKey.hint, User.external_id, ApiKey.name)
    found = select(*columns, ApiKey.created_at, ApiKey.revoked_at).join(
        User, User.id == ApiKey.user_id
    )
    if external_id is not None:
        found = found.where(User.external_id == external_id)
    return [KeySummary(*row) for row in session.execute(found.order_by(ApiKey.id))]


def revoke_key(session: Session, key_id: str, by: Actor = SYSTEM) -> bool:
    """Revoke a key; one that is revoked already keeps its time. False if there is no such key."""
    active = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    revoked = active.values(revoked_at=func.now()).returning(ApiKey.user_id)
    user_id = session.scalar(revoked)
    if user_id is None:
        return session.scalar(select(ApiKey.id).where(ApiKey.id == key_id)) is not None
    record(session, "key.revoked", key_id, by=by, user_id=user_id)
    return True


@lru_cache(maxsize=1)
def _owner_statement() -> Select[tuple[str]]:
    return select(ApiKey.user_id).where(
        ApiKey.digest == bindparam("key"), ApiKey.revoked_at.is_(None)
    )
