"""Browsers that are signed in, and the links that sign one in. Tokens are stored as an HMAC."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Delete,
    Float,
    ForeignKey,
    LargeBinary,
    Select,
    any_,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.api_keys import (
    ApiKey,
    Peppers,
    digest_of,
    digests_of,
    find_grant,
    is_active,
    note_use,
)
from models.audit import SYSTEM, Actor, record
from models.base import Base, Id, Timestamp
from models.deleted_users import lock_access
from models.grants import Grant
from models.ids import new_id
from models.scopes import ADMIN, Scopes, granted
from models.users import User

SESSION_PREFIX: Final = "tms_"
LINK_PREFIX: Final = "tml_"
SESSION_LASTS: Final = timedelta(days=30)
JWT_SESSION_LASTS: Final = timedelta(days=1)
LINK_LASTS: Final = timedelta(hours=1)


class BrowserSession(Base):
    """A browser that is signed in as a user: with `key_id`, until that key is revoked."""

    __tablename__ = "browser_sessions"

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    key_id: Mapped[str | None] = mapped_column(
        ForeignKey("api_keys.id", ondelete="CASCADE"), index=True
    )
    scopes: Mapped[Scopes]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[Timestamp]
    expires_at: Mapped[datetime]


class SignInLink(Base):
    """A token that signs in one browser, once."""

    __tablename__ = "sign_in_links"

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[Scopes]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    expires_at: Mapped[datetime]


@dataclass(frozen=True)
class SignedIn:
    """Who a browser is signed in as. `user` is the user's external id."""

    user: str
    expires_at: datetime
    grant: Grant

    @property
    def admin(self) -> bool:
        """Whether the user may see and change everybody's jobs."""
        return ADMIN in self.grant.scopes


def create_link(
    session: Session, user_id: str, scopes: list[str], pepper: bytes, by: Actor = SYSTEM
) -> str:
    """Create the token of a link that signs in one browser within `LINK_LASTS`, and return it."""
    token = LINK_PREFIX + secrets.token_urlsafe(32)
    link = SignInLink(
        id=new_id("link"),
        user_id=user_id,
        scopes=scopes,
        digest=digest_of(token, pepper),
        expires_at=func.now() + LINK_LASTS,
    )
    session.add(link)
    record(session, "link.created", link.id, by=by, user_id=user_id, scopes=scopes)
    return token


def sign_in_by_key(session: Session, key: str, peppers: Peppers, by: Actor = SYSTEM) -> str | None:
    """Sign a browser in by an API key, with its scopes, until the key ends. Returns the session's
    token, or None for a key that is unknown, revoked or expired."""
    found = find_grant(session.connection(), key, peppers)
    if found is None:
        return None
    note_use(session.connection(), found.credential)
    scopes = sorted(found.scopes)
    return _sign_in(session, found.user_id, scopes, peppers[0], by, found.credential)


def sign_in_by_jwt(session: Session, grant: Grant, peppers: Peppers, by: Actor = SYSTEM) -> str:
    """Sign a browser in as the user of a JWT, for `JWT_SESSION_LASTS`: nobody says when the issuer
    ends his session. Returns the session's token."""
    scopes = sorted(grant.scopes)
    return _sign_in(session, grant.user_id, scopes, peppers[0], by, lasts=JWT_SESSION_LASTS)


def sign_in_by_link(
    session: Session, token: str, peppers: Peppers, by: Actor = SYSTEM
) -> str | None:
    """Sign a browser in by a link's token, which is used up. Returns the session's token, or None
    for a token that is unknown, used or expired."""
    used = delete(SignInLink).where(SignInLink.digest.in_(digests_of(token, peppers)))
    row = session.execute(
        used.returning(SignInLink.user_id, SignInLink.scopes, SignInLink.expires_at > func.now())
    ).one_or_none()
    return _sign_in(session, row[0], row[1], peppers[0], by) if row and row[2] else None


def sign_out(session: Session, token: str, peppers: Peppers, by: Actor = SYSTEM) -> None:
    """End a browser's session."""
    ended = _ended(BrowserSession.digest.in_(digests_of(token, peppers)))
    row = session.execute(ended.returning(BrowserSession.id, BrowserSession.user_id)).first()
    if row:
        record(session, "session.ended", row[0], by=by, user_id=row[1])


def signed_in(connection: Connection, token: str, peppers: Peppers) -> SignedIn | None:
    """Who a session's token belongs to; None if it is unknown or has ended. One that is stored
    under an old pepper is stored under the current one."""
    digests = digests_of(token, peppers)
    row = connection.execute(_signed_in_statement(), {"digests": digests}).first()
    if row is None:
        return None
    if row.digest != digests[0]:
        mine = update(BrowserSession).where(BrowserSession.id == row.id)
        connection.execute(mine.values(digest=digests[0]))
    grant = Grant(row.user_id, row.id, granted(row.scopes), row.lasts_s)
    return SignedIn(row.external_id, row.expires_at, grant)


def is_signed_in() -> ColumnElement[bool]:
    """The condition of a session that has not ended, joined with its key."""
    with_key = or_(BrowserSession.key_id.is_(None), is_active())
    return with_key & (BrowserSession.expires_at > func.clock_timestamp())


def _sign_in(
    session: Session,
    user_id: str,
    scopes: list[str],
    pepper: bytes,
    by: Actor,
    key_id: str | None = None,
    lasts: timedelta = SESSION_LASTS,
) -> str:
    lock_access(session, user_id)
    expired = BrowserSession.expires_at < func.now()
    session.execute(_ended(BrowserSession.user_id == user_id).where(expired))
    token = SESSION_PREFIX + secrets.token_urlsafe(32)
    made = BrowserSession(
        id=new_id("ses"),
        user_id=user_id,
        key_id=key_id,
        scopes=scopes,
        digest=digest_of(token, pepper),
        expires_at=func.now() + lasts,
    )
    session.add(made)
    record(session, "session.created", made.id, by=by, user_id=user_id, key=key_id, scopes=scopes)
    return token


def _ended(which: ColumnElement[bool]) -> Delete:
    return delete(BrowserSession).where(which)


@lru_cache(maxsize=1)
def _signed_in_statement() -> Select[Any]:
    digests = bindparam("digests", type_=ARRAY(LargeBinary))
    mine, expires_at = BrowserSession, func.least(BrowserSession.expires_at, ApiKey.expires_at)
    lasts_s = cast(func.extract("epoch", expires_at - func.clock_timestamp()), Float)
    columns = (mine.id, mine.user_id, mine.digest, mine.scopes, User.external_id)
    return (
        select(*columns, expires_at.label("expires_at"), lasts_s.label("lasts_s"))
        .join(User, User.id == mine.user_id)
        .outerjoin(ApiKey, ApiKey.id == mine.key_id)
        .where(mine.digest == any_(digests), is_signed_in())
    )
