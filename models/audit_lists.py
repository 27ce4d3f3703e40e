"""Entries of the audit log: they are listed, and deleted once they are old."""

from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, func, or_, select
from sqlalchemy.orm import Session

from models.audit import AuditEntry
from models.users import User

ROWS: Final = 500


def list_entries(
    session: Session,
    *,
    user: str | None = None,
    action: str | None = None,
    since: datetime | timedelta | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """The newest entries, newest first.

    Args:
        user: the user's external id, or ours, which is all that is left of a deleted user.
        action: an action, or the kind of the things changed, as `key`.
        since: a time, or how long ago.
    """
    found = select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit)
    if user is not None:
        ours = select(User.id).where(User.external_id == user).scalar_subquery()
        found = found.where(or_(AuditEntry.user_id == user, AuditEntry.user_id == ours))
    if action is not None:
        kind = AuditEntry.action.startswith(f"{action}.", autoescape=True)
        found = found.where(or_(AuditEntry.action == action, kind))
    if since is not None:
        oldest = func.now() - since if isinstance(since, timedelta) else since
        found = found.where(AuditEntry.at >= oldest)
    return list(session.scalars(found))


def expire_entries(session: Session, age: timedelta) -> int:
    """Delete some entries that are older than this, the oldest first; returns how many. Entries
    that another worker deletes are left to it."""
    old = select(AuditEntry.id).where(AuditEntry.at < func.now() - age)
    some = old.order_by(AuditEntry.at).limit(ROWS).with_for_update(skip_locked=True)
    statement = delete(AuditEntry).where(AuditEntry.id.in_(some))
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], done).rowcount
