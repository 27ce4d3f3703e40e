"""Idempotency keys: what was answered to a POST, so that its repetition gets the same answer."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, LargeBinary, String, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp

KEPT: Final = timedelta(hours=24)
KEY_MAX_CHARS: Final = 255
SWEPT_AT_ONCE: Final = 5

now = func.clock_timestamp


class IdempotencyKey(Base):
    """One key of one owner. It is written in the transaction of what the POST creates.

    `fingerprint` is the SHA-256 of the call and its body; `answer` is status, headers and body.
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
class Kept:
    """What a key stands for: the call that it was first sent with, and what that got."""

    fingerprint: bytes
    answer: dict[str, Any]


def take_key(session: Session, user_id: str, key: str) -> bool:
    """Own a key until the transaction ends. False: somebody else does; this never waits.

    Two keys of the same hash only wait for each other.
    """
    digest = hashlib.sha256(f"{user_id}\0{key}".encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(lock))))


def find_kept(session: Session, user_id: str, key: str) -> Kept | None:
    """What a user's key stands for; one that is older than a day is as unknown as none."""
    row = session.execute(
        select(IdempotencyKey.fingerprint, IdempotencyKey.answer).where(
            IdempotencyKey.user_id == user_id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at > now() - KEPT,
        )
    ).one_or_none()
    return Kept(*row) if row else None


def keep(session: Session, user_id: str, key: str, kept: Kept) -> None:
    """Let a key stand for an answer, over what it stood for more than a day ago.

    Each new key sweeps a few of the expired ones out, so that nothing else has to.
    """
    values = {"fingerprint": kept.fingerprint, "answer": kept.answer, "created_at": now()}
    session.execute(
        insert(IdempotencyKey)
        .values(user_id=user_id, key=key, **values)
        .on_conflict_do_update(index_elements=["user_id", "key"], set_=values)
    )
    sweep(session, SWEPT_AT_ONCE)


def sweep(session: Session, limit: int) -> None:
    """Delete expired keys, the oldest first; those that somebody is writing are passed over."""
    # The time of the transaction: an index is searched for a constant, and read whole for a clock.
    identity = (IdempotencyKey.user_id, IdempotencyKey.key)
    expired = (
        select(*identity)
        .where(IdempotencyKey.created_at <= func.now() - KEPT)
        .order_by(IdempotencyKey.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    session.execute(
        delete(IdempotencyKey)
        .where(tuple_(*identity).in_(expired))
        .execution_options(synchronize_session=False)
    )
