"""Broadcasts: one message sent to several minds, whose answers are sibling jobs."""

from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, Timestamp


class Broadcast(Base):
    """One message to several minds.

    `kept_job_id` is the answer that every track goes on from: a merged one, or a sibling's that was
    chosen. Without one each mind goes on from its own.
    """

    __tablename__ = "broadcasts"
    __table_args__ = (Index("ix_broadcasts_listing", "user_id", "id"),)

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    message_id: Mapped[str] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), index=True
    )
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    kept_job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    created_at: Mapped[Timestamp]
