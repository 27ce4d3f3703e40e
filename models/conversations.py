"""Conversations and their messages."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    Text,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Id, Timestamp
from models.ids import new_id

TITLE_MAX_CHARS = 200


class Conversation(Base):
    """One user's thread. `external_id` is the session id of the system that this one replaces."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index("uq_conversations_external", "user_id", "external_id", unique=True),
        Index("ix_conversations_listing", "user_id", "id"),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    external_id: Mapped[str | None] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(String(TITLE_MAX_CHARS))
    created_at: Mapped[Timestamp]
    updated_at: Mapped[Timestamp]


class Message(Base):
    """What a user or a mind said. A job has one answer at most."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("role IN ('user', 'assistant')", name="role"),
        CheckConstraint("(role = 'assistant') = (job_id IS NOT NULL)", name="answer_has_job"),
        Index("ix_messages_listing", "conversation_id", "position"),
    )

    id: Mapped[Id]
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    role: Mapped[str] = mapped_column(String(9))
    mind: Mapped[str | None] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE", use_alter=True), unique=True
    )
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Timestamp]


def create_conversation(
    session: Session, user_id: str, *, title: str | None = None, external_id: str | None = None
) -> Conversation:
    """Add a conversation of a user."""
    conversation = Conversation(
        id=new_id("conv"), user_id=user_id, title=title, external_id=external_id
    )
    session.add(conversation)
    session.flush()
    return conversation


def find_conversation(session: Session, user_id: str, conversation_id: str) -> Conversation | None:
    """A user's conversation; another user's is as unknown as none."""
    return session.scalar(
        select(Conversation).where(
            Conversation.id == conversation_id, Conversation.user_id == user_id
        )
    )


def find_external_conversation(
    session: Session, user_id: str, external_id: str
) -> Conversation | None:
    """A user's conversation by the session id of the replaced system."""
    return session.scalar(
        select(Conversation).where(
            Conversation.external_id == external_id, Conversation.user_id == user_id
        )
    )
