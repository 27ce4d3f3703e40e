"""Calls that have not been answered yet, so that a retry gets the first attempt's answer.

A call that declares itself a retry, or whose first caller has disconnected, takes over the job that
was created for the same user and body. The new caller gets the answer; the earlier one has
disconnected, or learns that the job is no longer its own. Calls of one user with the same body are
serialized (`lock_call`), so that a retry finds the job of an attempt that is still being accepted;
if the retry was faster, the attempt finds the retry's job. An answer may be lost after it was sent:
for a while, a caller that declares a retry gets it again.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID, uuid4

from sqlalchemy import (
    CursorResult,
    Executable,
    ForeignKey,
    Index,
    Interval,
    LargeBinary,
    SmallInteger,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp
from models.jobs import Job

SWEPT_AT_ONCE: Final = 100
# An attempt that arrives within this time after its own retry was delayed on its way.
OVERTAKEN_WITHIN: Final = timedelta(seconds=10)
# For how long a declared retry gets an answer that was sent before. A client notices a broken
# connection at once, and a silent one when its own timeout is over.
LOST_WITHIN: Final = timedelta(minutes=2)
# One call in this many sweeps.
SWEEP_EVERY: Final = 20
# A failed job is not reused, and a cancelled one was not wanted.
WANTED: Final = ("queued", "in_progress", "completed")

now = func.clock_timestamp


class OpenCall(Base):
    """A job's call, until its answer has certainly arrived.

    `caller` identifies the caller that gets the answer; `answered` says that the answer was sent
    to it, `abandoned` that it disconnected before, `retries` how often it had sent the call before.
    `overtook` marks a retry that arrived before the call which it repeats. `fingerprint` is the
    SHA-256 of the call and its body.
    """

    __tablename__ = "open_calls"
    __table_args__ = (
        Index("ix_open_calls_user_id", "user_id", "fingerprint"),
        Index("ix_open_calls_called_at", "called_at"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    caller: Mapped[UUID]
    abandoned: Mapped[bool] = mapped_column(default=False)
    retries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    overtook: Mapped[bool] = mapped_column(server_default=text("false"))
    answered: Mapped[bool] = mapped_column(server_default=text("false"))
    called_at: Mapped[Timestamp]


@dataclass(frozen=True)
class Caller:
    """One caller's claim to the answer of a job."""

    job_id: str
    token: UUID

    def values(self) -> dict[str, object]:
        """The parameters of a statement."""
        return {"at_job": self.job_id, "at_caller": self.token}


@dataclass(frozen=True)
class Found:
    """A job that another attempt at the call created. `caller` is the claim to its answer, or None
    if the answer stays with that attempt."""

    job_id: str
    caller: Caller | None


calls = cast(Table, OpenCall.__table__)


def lock_call(session: Session, user_id: str, fingerprint: bytes) -> None:
    """Lock the user's calls with this body until the transaction ends.

    Other such calls were accepted before or will be accepted after: later statements of this
    transaction find the jobs of the former.
    """
    digest = hashlib.sha256(user_id.encode() + fingerprint).digest()
    session.execute(_lock_statement(), {"lock": int.from_bytes(digest[:8], signed=True)})


def open_call(
    session: Session,
    user_id: str,
    fingerprint: bytes,
    job_id: str,
    within: timedelta,
    *,
    retries: int = 0,
) -> Caller:
    """Record the call for which a job was created; now and then, delete old records.

    Args:
        within: the age from which records are old.
        retries: how often the call was sent before without being recorded.
    """
    caller = Caller(job_id, uuid4())
    values = {"job_id": job_id, "user_id": user_id, "fingerprint": fingerprint}
    counted = {"retries": retries, "overtook": retries > 0}
    session.execute(_open_statement(), values | counted | {"caller": caller.token})
    if caller.token.int % SWEEP_EVERY == 0:
        _sweep(session, within)
    return caller


def take_over(
    session: Session,
    user_id: str,
    fingerprint: bytes,
    within: timedelta,
    *,
    retries: int = 0,
    lost_within: timedelta = LOST_WITHIN,
) -> Found | None:
    """Find the job of another attempt at this call whose answer has not arrived, and claim it.

    An attempt with fewer retries counts as earlier. Its answer becomes this caller's, even if it
    was sent before, no longer ago than `lost_within`; so does that of a caller that disconnected.
    The answer of a retry that arrived before its call stays the retry's.

    Args:
        within: the greatest age of the attempt.
        retries: how often the caller declares to have sent the call before.

    Returns:
        The job and the claim to its answer; None if there is no such attempt.
    """
    values = {"user": user_id, "print": fingerprint, "retries": retries}
    spans = {"within": within, "lost_within": lost_within}
    row = session.execute(_find_statement(), values | spans).one_or_none()
    if row is None:
        return None
    claim: dict[str, object] = {} if retries else {"overtook": False}
    caller = None
    if row.abandoned or row.retries < retries:
        caller = Caller(row.job_id, uuid4())
        claim |= {"caller": caller.token, "retries": retries}
        claim |= {"abandoned": False, "answered": False}
    claim["called_at"] = now()
    session.execute(update(calls).where(calls.c.job_id == row.job_id).values(claim))
    return Found(row.job_id, caller)


def close_call(session: Session, caller: Caller) -> bool:
    """Record that the caller gets the answer. False: another caller has taken it over."""
    closed = session.execute(_close_statement(), caller.values())
    return cast(CursorResult[Any], closed).rowcount == 1


def delete_call(session: Session, job_id: str) -> None:
    """Delete a job's call, since its answer was read in another way."""
    session.execute(delete(OpenCall).where(OpenCall.job_id == job_id))


def abandon_call(session: Session, caller: Caller, within: timedelta) -> None:
    """Record that a caller disconnected without its answer, and delete some records older than
    `within`."""
    session.execute(
        update(OpenCall)
        .where(
            OpenCall.job_id == caller.job_id,
            OpenCall.caller == caller.token,
            OpenCall.answered.is_(False),
        )
        .values(abandoned=True, called_at=now())
    )
    _sweep(session, within)


def _sweep(session: Session, within: timedelta) -> None:
    # now() is constant in a transaction, so the index is searched, not scanned as for a clock.
    old = select(OpenCall.job_id).where(OpenCall.called_at <= func.now() - within)
    session.execute(
        delete(OpenCall)
        .where(OpenCall.job_id.in_(old.limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)))
        .execution_options(synchronize_session=False)
    )


# Built once: they run before and after every response.


@lru_cache(maxsize=1)
def _lock_statement() -> Executable:
    return text("SELECT pg_advisory_xact_lock(:lock)")


@lru_cache(maxsize=1)
def _open_statement() -> Executable:
    return insert(calls).values(abandoned=False)


@lru_cache(maxsize=1)
def _find_statement() -> Executable:
    jobs = cast(Table, Job.__table__)
    sent_before = bindparam("retries", type_=SmallInteger)
    open_, overtaken = calls.c.answered.is_(False), calls.c.called_at > now() - OVERTAKEN_WITHIN
    lost = calls.c.called_at > now() - bindparam("lost_within", type_=Interval)
    return (
        select(calls.c.job_id, calls.c.abandoned, calls.c.retries)
        .join(jobs, jobs.c.id == calls.c.job_id)
        .where(
            calls.c.user_id == bindparam("user"),
            calls.c.fingerprint == bindparam("print"),
            or_(
                calls.c.abandoned,
                (calls.c.retries < sent_before) & (open_ | lost),
                open_ & calls.c.overtook & overtaken & (calls.c.retries > sent_before),
            ),
            calls.c.called_at > now() - bindparam("within", type_=Interval),
            jobs.c.status.in_(WANTED),
            jobs.c.conversation_id.is_not(None),  # else its text is deleted
        )
        .order_by(calls.c.abandoned.desc(), calls.c.answered, calls.c.called_at)
        .limit(1)
        .with_for_update(of=calls, skip_locked=True)
    )


@lru_cache(maxsize=1)
def _close_statement() -> Executable:
    mine = (calls.c.job_id == bindparam("at_job"), calls.c.caller == bindparam("at_caller"))
    return update(calls).where(*mine).values(answered=True, abandoned=False, called_at=now())
