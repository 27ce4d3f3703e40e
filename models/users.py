"""Users, who own conversations and jobs."""

from sqlalchemy import String, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Id, Timestamp
from models.ids import new_id

EXTERNAL_ID_MAX_CHARS = 255


class User(Base):
    """One user. `external_id` is the user's name in the calling service or at the issuer."""

    __tablename__ = "users"

    id: Mapped[Id]
    external_id: Mapped[str] = mapped_column(String(EXTERNAL_ID_MAX_CHARS), unique=True)
    created_at: Mapped[Timestamp]


def external_id_of(session: Session, user_id: str) -> str:
    """The user's name in the calling service or at the issuer."""
    return session.scalars(select(User.external_id).where(User.id == user_id)).one()


def get_or_create_user(session: Session, external_id: str) -> str:
    """The id of the user with this external id, created once, on first use."""
    known = select(User.id).where(User.external_id == external_id)
    found = session.scalar(known)
    if found is None:
        session.execute(
            insert(User)
            .values(id=new_id("user"), external_id=external_id)
            .on_conflict_do_nothing(index_elements=["external_id"])
        )
        found = session.execute(known).scalar_one()
    return found
