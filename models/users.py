"""Users, who own conversations and jobs."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, Index, Select, String, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.audit import SYSTEM, Actor, record
from models.base import Base, Id, Timestamp
from models.ids import new_id

EXTERNAL_ID_MAX_CHARS = 255


class User(Base):
    """One user. `external_id` is the user's name in the calling service or at the issuer.

    `deleted_at`: the user is being deleted, and can't be found by that name any more.
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_deleted_at", "deleted_at", postgresql_where="deleted_at IS NOT NULL"),
    )

    id: Mapped[Id]
    external_id: Mapped[str] = mapped_column(String(EXTERNAL_ID_MAX_CHARS), unique=True)
    created_at: Mapped[Timestamp]
    deleted_at: Mapped[datetime | None]


def external_id_of(session: Session, user_id: str) -> str:
    """The user's name in the calling service or at the issuer."""
    return session.scalars(select(User.external_id).where(User.id == user_id)).one()


def external_ids_of(session: Session, user_ids: Collection[str]) -> dict[str, str]:
    """The names of these users, by their ids."""
    found = session.execute(select(User.id, User.external_id).where(User.id.in_(user_ids)))
    return {row[0]: row[1] for row in found}


def find_user(connection: Connection, external_id: str) -> str | None:
    """The id of the user with this external id; None if there is none."""
    found: str | None = connection.scalar(_user_statement(), {"external": external_id})
    return found


def get_or_create_user(session: Session, external_id: str, by: Actor = SYSTEM) -> str:
    """The id of the user with this external id, created once, on first use, by this actor."""
    found = find_user(session.connection(), external_id)
    if found is not None:
        return found
    created = session.scalar(
        insert(User)
        .values(id=new_id("user"), external_id=external_id)
        .on_conflict_do_nothing(index_elements=["external_id"])
        .returning(User.id)
    )
    if created is None:  # by another transaction, meanwhile
        return session.execute(_user_statement(), {"external": external_id}).scalar_one()
    record(session, "user.created", created, by=by, user_id=created)
    return created


@lru_cache(maxsize=1)
def _user_statement() -> Select[tuple[str]]:
    return select(User.id).where(User.external_id == bindparam("external"))


class UserSummary(NamedTuple):
    """A user, with the number of his unfinished jobs."""

    id: str
    external_id: str
    created_at: datetime
    deleted_at: datetime | None
    unfinished_jobs: int


def list_users(session: Session, *, after: str, limit: int) -> list[UserSummary]:
    """Users in the order of their ids, which is that of their creation, after this id."""
    # The jobs' model refers to this one; an index has the unfinished ones of all users.
    query = text(
        "SELECT u.id, u.external_id, u.created_at, u.deleted_at, coalesce(j.jobs, 0) FROM"
        " (SELECT * FROM users WHERE id > :after ORDER BY id LIMIT :limit) u LEFT JOIN"
        " (SELECT user_id, count(*) AS jobs FROM jobs WHERE slot IS NOT NULL GROUP BY user_id) j"
        " ON j.user_id = u.id ORDER BY u.id"
    )
    return [UserSummary(*row) for row in session.execute(query, {"after": after, "limit": limit})]
