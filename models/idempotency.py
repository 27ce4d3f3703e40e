"""Idempotency keys: what was answered to a POST, so that its repetition gets the same answer."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Timestamp

KEPT: Final = timedelta(hours=24)
KEY_MAX_CHARS: Final = 255


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
