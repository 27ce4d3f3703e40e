"""Idempotency keys: the answer to a POST, so that a repeated POST gets the same one."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Delete,
    Executable,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from models.base import Base, Timestamp

RETENTION: Final = timedelta(hours=24)
KEY_MAX_CHARS: Final = 255
SWEPT_AT_ONCE: Final = 5
UNLESS_TAKEN: Final = f"""
ON CONFLICT (user_id, key) DO UPDATE
SET fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at
WHERE idempotency_keys.created_at <= excluded.created_at - interval '{RETENTION.total_seconds()} s'
"""

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


@dataclass(frozen=True)
class Claim:
    """A key, and the answer that is stored with it by the statement that creates what it is about.

    `body` is the answer's, without the two times that only that statement knows: they belong
    between the parts.
    """

    user_id: str
    key: str
    fingerprint: bytes
    answer: dict[str, Any]
    body: tuple[str, str, str]

    def values(self) -> dict[str, Any]:
        """The parameters of a statement with `claimed_key`."""
        first, second, third = self.body
        return {
            **_names(self.user_id, self.key),
            "print": self.fingerprint,
            "said": self.answer,
            "body_1": first,
            "body_2": second,
            "body_3": third,
            "most": SWEPT_AT_ONCE,
        }


def lock_key(session: Session, user_id: str, key: str) -> tuple[bool, StoredAnswer | None]:
    """Lock a key until the transaction ends, and find its answer, unless it is older than a day.

    False: another transaction has the lock; this never waits. Keys with the same hash share a lock,
    which is harmless.
    """
    row = session.execute(_lock_statement(), _names(user_id, key)).one()
    stored = StoredAnswer(row.fingerprint, row.answer) if row.fingerprint is not None else None
    return row.locked, stored


def store_answer(session: Session, user_id: str, key: str, stored: StoredAnswer) -> bool:
    """Store the answer for a key, replacing an expired one.

    False: another transaction has stored one while this one was locking the key. Each new key
    deletes a few expired ones, so that nothing else has to.
    """
    values = {"print": stored.fingerprint, "said": stored.answer, "most": SWEPT_AT_ONCE}
    values |= _names(user_id, key)
    return session.execute(_store_statement(), values).first() is not None


def sweep(session: Session, limit: int) -> None:
    """Delete expired keys, oldest first; those locked by another transaction are skipped."""
    session.execute(_sweep_statement(), {"most": limit})


def claimed_key(moment: CTE, first: ColumnElement[Any], second: ColumnElement[Any]) -> CTE:
    """The part of a statement that takes a key: its row, or none if the key is taken, or locked by
    another transaction. It deletes a few expired ones as well.

    Args:
        moment: has one row, with the time `at` and `locked` (`key_lock`).
        first: the first time in the answer's body; `second` is the next one.
    """
    parts = [bindparam(f"body_{number}", type_=Text) for number in (1, 2, 3)]
    body = parts[0] + _shown(first) + parts[1] + _shown(second) + parts[2]
    said = bindparam("said", type_=JSONB).op("||")(func.jsonb_build_object("body", body))
    taken = _insert_key(select(*_row(said, moment.c.at)).where(moment.c.locked))
    return taken.add_cte(_swept()).cte("claimed_key")


def key_lock() -> ColumnElement[bool]:
    """Whether this transaction has locked the key now. It doesn't wait."""
    return func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger))


# Built once: they run for every POST that has a key.


@lru_cache(maxsize=1)
def _lock_statement() -> Select[Any]:
    lock = select(key_lock().label("locked")).subquery("lock")
    fresh = (keys.c.user_id == bindparam("at_user")) & (keys.c.key == bindparam("at_key"))
    fresh &= keys.c.created_at > now() - RETENTION
    found = (keys.c.fingerprint, keys.c.answer)
    return select(lock.c.locked, *found).select_from(lock.outerjoin(keys, fresh))


@lru_cache(maxsize=1)
def _store_statement() -> Executable:
    added = _insert_key(select(*_row(bindparam("said", type_=JSONB), now())))
    return added.add_cte(_swept())


@lru_cache(maxsize=1)
def _sweep_statement() -> Executable:
    return _delete_expired()


def _names(user_id: str, key: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"{user_id}\0{key}".encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    return {"at_user": user_id, "at_key": key, "lock": lock}


def _row(answer: ColumnElement[Any], at: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    types = keys.c
    return [
        bindparam("at_user", type_=types.user_id.type).label("user_id"),
        bindparam("at_key", type_=types.key.type).label("key"),
        bindparam("print", type_=types.fingerprint.type).label("fingerprint"),
        answer.label("answer"),
        at.label("created_at"),
    ]


def _insert_key(row: Select[Any]) -> ReturningInsert[Any]:
    """Insert a key, or replace an expired one; anything else returns no row, even if this statement
    could not see it when it began."""
    # As text: SQLAlchemy caches no statement with its own ON CONFLICT, and compiles it every time.
    row = row.suffix_with(text(UNLESS_TAKEN))
    added = insert(keys).from_select(list(row.selected_columns.keys()), row)
    return added.returning(keys.c.user_id, keys.c.created_at)


def _swept() -> CTE:
    """The sweep as part of the statement that stores a key, which must not delete its own."""
    other = (keys.c.user_id != bindparam("at_user")) | (keys.c.key != bindparam("at_key"))
    return _delete_expired(other).cte("swept")


def _delete_expired(only: ColumnElement[bool] | None = None) -> Delete:
    # now() is constant in a transaction, so the index is searched, not scanned as for a clock.
    identity = (keys.c.user_id, keys.c.key)
    expired = (
        select(*identity)
        .where(keys.c.created_at <= func.now() - RETENTION, true() if only is None else only)
        .order_by(keys.c.created_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )
    return delete(keys).where(tuple_(*identity).in_(expired))


def _shown(time: ColumnElement[Any]) -> ColumnElement[Any]:
    """A time as the API shows it: 2026-01-31T09:30:00.125Z."""
    return func.to_char(func.timezone("UTC", time), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
