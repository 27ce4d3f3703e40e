"""API keys, shown once and stored as an HMAC under the pepper."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    ForeignKey,
    LargeBinary,
    Select,
    String,
    Table,
    Update,
    any_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.audit import SYSTEM, Actor, record
from models.base import Base, Id, Timestamp
from models.conflicts import KeyInactive, TooManyKeys
from models.deleted_users import lock_access
from models.grants import Grant
from models.ids import new_id
from models.pages import page_of
from models.scopes import USUAL, Scopes, granted
from models.users import User

KEY_PREFIX = "tm_"
NAME_MAX_CHARS: Final = 100
MOST_KEYS: Final = 100
# A key's last use is this exact.
USE_NOTED_EVERY: Final = timedelta(minutes=1)

# The peppers of a rotation, the current one first.
Peppers = tuple[bytes, ...]
now = func.clock_timestamp


class ApiKey(Base):
    """A user's key.

    `hint` is its first characters, by which people tell keys apart. `replaced_by` is the id of the
    key that it was rotated to, after which it is valid for an overlap only.
    """

    __tablename__ = "api_keys"

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX_CHARS))
    hint: Mapped[str] = mapped_column(String(12))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    scopes: Mapped[Scopes]
    created_at: Mapped[Timestamp]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    replaced_by: Mapped[str | None] = mapped_column(String(40))
    revoked_at: Mapped[datetime | None]


keys = cast(Table, ApiKey.__table__)


def digest_of(key: str, pepper: bytes) -> bytes:
    """The stored form of a key: its HMAC-SHA256 (32 bytes)."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def digests_of(key: str, peppers: Peppers) -> list[bytes]:
    """The stored forms of a key under each pepper."""
    return [digest_of(key, pepper) for pepper in peppers]


def create_key(
    session: Session,
    user_id: str,
    name: str,
    pepper: bytes,
    scopes: Iterable[str] = USUAL,
    by: Actor = SYSTEM,
) -> str:
    """Create a key for a user and return it; it can't be read again."""
    return add_key(session, user_id, pepper, name=name, scopes=scopes, by=by)[1]


def add_key(
    session: Session,
    user_id: str,
    pepper: bytes,
    *,
    name: str = "",
    scopes: Iterable[str] = USUAL,
    lasts: timedelta | None = None,
    by: Actor = SYSTEM,
) -> tuple[ApiKey, str]:
    """Create a key for a user, valid for `lasts`. Returns its row and the key itself.

    Raises:
        TooManyKeys: the user has `MOST_KEYS` already.
    """
    lock_access(session, user_id)
    _refuse_more(session, user_id)
    made, key = _insert(session, user_id, pepper, name, scopes, lasts)
    details = {"name": name, "hint": made.hint, "scopes": made.scopes, "expires": _text(made)}
    record(session, "key.created", made.id, by=by, user_id=user_id, **details)
    return made, key


def rotate_key(
    session: Session,
    key: ApiKey,
    pepper: bytes,
    overlap: timedelta,
    *,
    lasts: timedelta | None = None,
    by: Actor = SYSTEM,
) -> tuple[ApiKey, str]:
    """Replace a key by a new one with the same name and scopes; the old one ends after `overlap`.

    Args:
        lasts: how long the new key is valid; if omitted, as long as the old one was to be.

    Raises:
        KeyInactive: the key has ended, or was rotated before.
        TooManyKeys: both would be valid, and the user has `MOST_KEYS` already.
    """
    lock_access(session, key.user_id)
    if overlap:
        _refuse_more(session, key.user_id)
    locked = select(is_active()).where(ApiKey.id == key.id).with_for_update()
    valid = session.scalar(locked)
    session.refresh(key)
    if not valid or key.replaced_by is not None:
        raise KeyInactive("The key is revoked or expired, or was rotated before.")
    if lasts is None and key.expires_at is not None:
        lasts = key.expires_at - key.created_at
    made, secret = _insert(session, key.user_id, pepper, key.name, key.scopes, lasts)
    end = func.least(ApiKey.expires_at, now() + overlap)
    ended = update(ApiKey).where(ApiKey.id == key.id).values(expires_at=end, replaced_by=made.id)
    session.execute(ended, execution_options={"synchronize_session": False})
    details = {"to": made.id, "overlap_s": overlap.total_seconds(), "expires": _text(made)}
    record(session, "key.rotated", key.id, by=by, user_id=key.user_id, **details)
    return made, secret


def revoke_key(session: Session, key_id: str, by: Actor = SYSTEM) -> str | None:
    """Revoke a key; one that is revoked already keeps its time. Returns its user's id, or None if
    there is no such key."""
    active = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    revoked = active.values(revoked_at=func.now()).returning(ApiKey.user_id)
    user_id = session.scalar(revoked)
    if user_id is None:
        return session.scalar(select(ApiKey.user_id).where(ApiKey.id == key_id))
    record(session, "key.revoked", key_id, by=by, user_id=user_id)
    return user_id


def find_grant(connection: Connection, key: str, peppers: Peppers) -> Grant | None:
    """What a key allows; None for a key that is unknown, revoked or expired. One that is stored
    under an old pepper is stored under the current one."""
    digests = digests_of(key, peppers)
    row = connection.execute(_grant_statement(), {"digests": digests}).first()
    if row is None:
        return None
    if row.digest != digests[0]:
        values = {"key_id": row.id, "old": row.digest, "new": digests[0]}
        connection.execute(_new_digest_statement(), values)
    return Grant(row.user_id, row.id, granted(row.scopes), row.lasts_s, row.unnoted)


def note_use(connection: Connection, key_id: str) -> None:
    """Note that a key is used, unless its last use was noted within a minute, or is being noted."""
    connection.execute(_use_statement(), {"key_id": key_id})


@dataclass(frozen=True)
class KeySummary:
    """The public part of a key. `user` is its owner's external id; `state` is active, revoked or
    expired."""

    id: str
    hint: str
    user: str
    name: str
    scopes: list[str]
    state: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


def list_keys(session: Session, external_id: str | None = None) -> list[KeySummary]:
    """All keys, or those of one user, oldest first, with those that have ended."""
    state = case((ApiKey.revoked_at.is_not(None), "revoked"), (is_active(), "active"))
    columns = (ApiKey.id, ApiKey.hint, User.external_id, ApiKey.name, ApiKey.scopes)
    times = (ApiKey.created_at, ApiKey.expires_at, ApiKey.last_used_at, ApiKey.revoked_at)
    found = select(*columns, func.coalesce(state, "expired"), *times)
    found = found.join(User, User.id == ApiKey.user_id)
    if external_id is not None:
        found = found.where(User.external_id == external_id)
    return [KeySummary(*row) for row in session.execute(found.order_by(ApiKey.id))]


def list_own_keys(
    session: Session, user_id: str, *, limit: int, after: str | None = None
) -> list[ApiKey]:
    """A page of a user's keys, newest first, with those that have ended; one more than `limit`.

    Raises:
        InvalidRequest: `after` is not one of the user's keys.
    """
    mine = select(ApiKey).where(ApiKey.user_id == user_id)
    return page_of(session, mine, ApiKey.id, limit=limit, after=after)


def find_own_key(session: Session, user_id: str, key_id: str) -> ApiKey | None:
    """One of a user's keys; None if it is not."""
    return session.scalar(select(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id))


def is_active() -> ColumnElement[bool]:
    """The condition of a key that opens."""
    unexpired = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now())
    return ApiKey.revoked_at.is_(None) & unexpired


def _insert(
    session: Session,
    user_id: str,
    pepper: bytes,
    name: str,
    scopes: Iterable[str],
    lasts: timedelta | None,
) -> tuple[ApiKey, str]:
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    made = ApiKey(
        id=new_id("key"),
        user_id=user_id,
        name=name,
        hint=key[:8],
        digest=digest_of(key, pepper),
        scopes=list(scopes),
        expires_at=None if lasts is None else now() + lasts,
    )
    session.add(made)
    session.flush()
    return made, key


def _refuse_more(session: Session, user_id: str) -> None:
    mine = select(func.count()).where(ApiKey.user_id == user_id, is_active())
    if (session.scalar(mine) or 0) >= MOST_KEYS:
        raise TooManyKeys(f"A user has at most {MOST_KEYS} keys: revoke one first.")


def _text(made: ApiKey) -> str | None:
    return made.expires_at.isoformat() if made.expires_at else None


@lru_cache(maxsize=1)
def _grant_statement() -> Select[Any]:
    digests = bindparam("digests", type_=ARRAY(LargeBinary))
    lasts_s = (func.extract("epoch", ApiKey.expires_at - now()) + 0.0).label("lasts_s")
    columns = (ApiKey.id, ApiKey.user_id, ApiKey.scopes, ApiKey.digest)
    found = select(*columns, lasts_s, _unnoted().label("unnoted"))
    return found.where(ApiKey.digest == any_(digests), is_active())


@lru_cache(maxsize=1)
def _new_digest_statement() -> Update:
    under_old = (ApiKey.id == bindparam("key_id"), ApiKey.digest == bindparam("old"))
    return update(keys).where(*under_old).values(digest=bindparam("new"))


@lru_cache(maxsize=1)
def _use_statement() -> Update:
    free = select(ApiKey.id).where(ApiKey.id == bindparam("key_id"), _unnoted())
    free = free.with_for_update(skip_locked=True)
    return update(keys).where(ApiKey.id.in_(free)).values(last_used_at=now())


def _unnoted() -> ColumnElement[bool]:
    return or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now() - USE_NOTED_EVERY)
