"""Idempotency keys: the answer to a POST, so that a repeated POST gets the same one."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    Executable,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    String,
    Table,
    bindparam,
    delete,
    func,
    select,
    tuple_,
)
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


keys = cast(Table, IdempotencyKey.__table__)


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
    return bool(session.scalar(_lock_statement(), {"lock": lock}))


def find_answer(session: Session, user_id: str, key: str) -> StoredAnswer | None:
    """The answer stored for a user's key; None if there is none, or if it is older than a day."""
    values = {"at_user": user_id, "at_key": key}
    row = session.execute(_find_statement(), values).one_or_none()
    return StoredAnswer(*row) if row else None


def store_answer(session: Session, user_id: str, key: str, stored: StoredAnswer) -> None:
    """Store the answer for a key, replacing an expired one.

    Each new key deletes a few expired ones, so that nothing else has to.
    """
    values = {"print": stored.fingerprint, "said": stored.answer}
    session.execute(_store_statement(), {"at_user": user_id, "at_key": key, **values})
    sweep(session, SWEPT_AT_ONCE)


def sweep(session: Session, limit: int) -> None:
    """Delete expired keys, oldest first; those locked by another transaction are skipped."""
    session.execute(_sweep_statement(), {"most": limit})


# Built once: they run for every POST that has a key.


@lru_cache(maxsize=1)
def _lock_statement() -> Select[tuple[bool]]:
    return select(func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger)))


@lru_cache(maxsize=1)
def _find_statement() -> Select[tuple[bytes, dict[str, Any]]]:
    return select(IdempotencyKey.fingerprint, IdempotencyKey.answer).where(
        IdempotencyKey.user_id == bindparam("at_user"),
        IdempotencyKey.key == bindparam("at_key"),
        IdempotencyKey.created_at > now() - RETENTION,
    )


@lru_cache(maxsize=1)
def _store_statement() -> Executable:
    values = {"fingerprint": bindparam("print"), "answer": bindparam("said"), "created_at": now()}
    added = insert(keys).values(user_id=bindparam("at_user"), key=bindparam("at_key"), **values)
    named = ("fingerprint", "answer", "created_at")
    taken = {name: added.excluded[name] for name in named}
    return added.on_conflict_do_update(index_elements=["user_id", "key"], set_=taken)


@lru_cache(maxsize=1)
def _sweep_statement() -> Executable:
    # now() is constant in a transaction, so the index is searched, not scanned as for a clock.
    identity = (keys.c.user_id, keys.c.key)
    expired = (
        select(*identity)
        .where(keys.c.created_at <= func.now() - RETENTION)
        .order_by(keys.c.created_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )
    return delete(keys).where(tuple_(*identity).in_(expired))
