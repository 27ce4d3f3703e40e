"""API keys: shown once, stored as an HMAC under the pepper."""

import hashlib
import hmac
import secrets
from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Id, Timestamp
from models.ids import new_id

KEY_PREFIX = "tm_"


class ApiKey(Base):
    """A user's key. `hint` is its beginning, for people to tell keys apart."""

    __tablename__ = "api_keys"

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    hint: Mapped[str] = mapped_column(String(12))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[Timestamp]
    revoked_at: Mapped[datetime | None]


def digest_of(key: str, pepper: bytes) -> bytes:
    """What is stored of a key: its HMAC-SHA256 (32 bytes)."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def create_key(session: Session, user_id: str, name: str, pepper: bytes) -> str:
    """Make a key for a user and return it; it can't be read again."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            id=new_id("key"),
            user_id=user_id,
            name=name,
            hint=key[:8],
            digest=digest_of(key, pepper),
        )
    )
    return key


def owner_of_key(session: Session, key: str, pepper: bytes) -> str | None:
    """The id of the user whose key this is, or None for an unknown or revoked one."""
    return session.scalar(
        select(ApiKey.user_id).where(
            ApiKey.digest == digest_of(key, pepper), ApiKey.revoked_at.is_(None)
        )
    )
