"""Idempotency keys: the answer to a POST, so that a repeated POST gets the same one."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, LargeBinary, String, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp

RETENTION: Final = timedelta(hours=24)
KEY_MAX_CHARS: Final = 255
SWEPT_AT_ONCE: Final = 5

now = func.clock_timestamp


class IdempotencyKey(Base):
    """One key of one user, written in the transaction of what the POST creates.

    `fingerprint` is the SHA-256 of the call and its body; `answer` has status, headers and body.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(KEY_MAX_CHARS), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[Timestamp]


@dataclass(frozen=True)
class StoredAnswer:
    """The fingerprint of the first call with a key, and its answer."""

    fingerprint: bytes
    answer: dict[str, Any]


def try_lock_key(session: Session, user_id: str, key: str) -> bool:
    """Lock a key until the transaction ends. False: another transaction has it; this never waits.

    Keys with the same hash share a lock, which is harmless.
    """
    digest = hashlib.sha256(f"{user_id}\0{key}".encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(lock))))


def find_answer(session: Session, user_id: str, key: str) -> StoredAnswer | None:
    """The answer stored for a user's key; None if there is none, or if it is older than a day."""
    row = session.execute(
        select(IdempotencyKey.fingerprint, IdempotencyKey.answer).where(
            IdempotencyKey.user_id == user_id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at > now() - RETENTION,
        )
    ).one_or_none()
    return StoredAnswer(*row) if row else None


def store_answer(session: Session, user_id: str, key: str, stored: StoredAnswer) -> None:
    """Store the answer for a key, replacing an expired one.

    Each new key deletes a few expired ones, so that nothing else has to.
    """
    values = {"fingerprint": stored.fingerprint, "answer": stored.answer, "created_at": now()}
    session.execute(
        insert(IdempotencyKey)
        .values(user_id=user_id, key=key, **values)
        .on_conflict_do_update(index_elements=["user_id", "key"], set_=values)
    )
    sweep(session, SWEPT_AT_ONCE)


def sweep(session: Session, limit: int) -> None:
    """Delete expired keys, oldest first; those locked by another transaction are skipped."""
    # now() is constant in a transaction, so the index is searched, not scanned as for a clock.
    identity = (IdempotencyKey.user_id, IdempotencyKey.key)
    expired = (
        select(*identity)
        .where(IdempotencyKey.created_at <= func.now() - RETENTION)
        .order_by(IdempotencyKey.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    session.execute(
        delete(IdempotencyKey)
        .where(tuple_(*identity).in_(expired))
        .execution_options(synchronize_session=False)
    )
