"""The audit log: who changed who may do what. An entry is written in the transaction of its change,
and outlives the user whom it is about."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Id, Timestamp
from models.ids import new_id

TEXT_MAX_CHARS: Final = 300
REQUEST_ID_MAX_CHARS: Final = 128
ADDRESS_MAX_CHARS: Final = 64


class AuditEntry(Base):
    """One change of access.

    `actor` made it, `subject` is the id of what was changed, and `user_id` is the user whose access
    it is, if it is one's. No foreign key: the entries about a deleted user stay, with ids only.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_at", "at"),
        Index("ix_audit_log_user_id", "user_id", "at"),
    )

    id: Mapped[Id]
    at: Mapped[Timestamp]
    actor: Mapped[str] = mapped_column(String(TEXT_MAX_CHARS))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(TEXT_MAX_CHARS))
    user_id: Mapped[str | None] = mapped_column(String(40))
    details: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    request_id: Mapped[str | None] = mapped_column(String(REQUEST_ID_MAX_CHARS))
    address: Mapped[str | None] = mapped_column(String(ADDRESS_MAX_CHARS))


@dataclass(frozen=True)
class Actor:
    """Who changes something: a user's or a key's id, `shared secret`, `command root`, …; with the
    id and the client's address of a request that asks for it."""

    name: str
    request_id: str | None = None
    address: str | None = None


SYSTEM: Final = Actor("system")


def record(
    session: Session,
    action: str,
    subject: str,
    *,
    by: Actor = SYSTEM,
    user_id: str | None = None,
    **details: Any,
) -> None:
    """Add an entry to the transaction of the change that it is about.

    Args:
        action: the kind of the thing and what was done, as `key.revoked`.
        subject: the id of the thing.
        user_id: our id of the user whose access changes.
        details: what else was changed, as JSON. Never a secret, nor anything that a user has
            written, which must vanish with him, except names of his keys and endpoints.
    """
    session.add(
        AuditEntry(
            id=new_id("audit"),
            actor=by.name[:TEXT_MAX_CHARS],
            action=action,
            subject=subject[:TEXT_MAX_CHARS],
            user_id=user_id,
            details=details,
            request_id=by.request_id,
            address=by.address,
        )
    )
