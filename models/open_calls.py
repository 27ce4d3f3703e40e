"""Calls that have not got their answer yet, so that a caller who asks again gets the first one's.

A call that says that it is a retry, or whose first caller has gone, takes over the job that was
made for the same user and body. Whoever has taken it over gets the answer; who waited for it before
has gone, or finds that it is his no more. Calls of one user with the same body take turns
(`lock_call`), so that a retry finds the job of an attempt that is still being accepted; and where
the retry was faster, the attempt finds the retry's. An answer that was given may still have been
lost on its way: to a caller who says that he asks again it is given once more, for a while.
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
# An attempt that comes so long after its own retry has been held up on its way.
OVERTAKEN_WITHIN: Final = timedelta(seconds=10)
# How long a caller who says that he asks again gets an answer that was given before. Connections
# that break are noticed at once; those that fall silent, when the caller's own time is over.
LOST_WITHIN: Final = timedelta(minutes=2)
# One call in so many sweeps.
SWEEP_EVERY: Final = 20
# What has failed is made again, and what was cancelled was not wanted.
WANTED: Final = ("queued", "in_progress", "completed")

now = func.clock_timestamp


class OpenCall(Base):
    """A job's call, until its answer is had for good.

    `caller` is who gets the answer, `answered` whether it was given to him, `abandoned` whether he
    is known to have gone without it, `retries` how often he had sent the call before. `overtook`:
    it is a retry that came before the call which it repeats. `fingerprint` is the SHA-256 of the
    call and its body.
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
        """As the parameters of a statement."""
        return {"at_job": self.job_id, "at_caller": self.token}


@dataclass(frozen=True)
class Found:
    """A job that another attempt at a call has made. `caller` is the claim to its answer; None: it
    stays with that attempt."""

    job_id: str
    caller: Caller | None


calls = cast(Table, OpenCall.__table__)


def lock_call(session: Session, user_id: str, fingerprint: bytes) -> None:
    """Wait, until the transaction ends, for no other call of this user with this body to be
    accepted: a statement that comes after this one finds what it has made."""
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
    """Note that a job was made for a call which waits for its answer; now and then, forget those
    that nobody has asked for `within`. `retries`: how often it was sent before, without a trace
    here."""
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
    """What another attempt at a call with this body has made, whose answer nobody has had, no
    longer ago than `within`; None: there is none. `retries`: how often the caller says that he has
    sent it before.

    An attempt with fewer retries is taken for an earlier one, and its answer is the caller's from
    now on, also where it was given no longer ago than `lost_within`. So it is where the earlier
    caller has gone. Of a retry that came before the caller the answer stays the retry's.
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
    """Give the answer to its caller. False: another caller has taken it over."""
    closed = session.execute(_close_statement(), caller.values())
    return cast(CursorResult[Any], closed).rowcount == 1


def forget_call(session: Session, job_id: str) -> None:
    """Note that a job's answer was had in another way."""
    session.execute(delete(OpenCall).where(OpenCall.job_id == job_id))


def abandon_call(session: Session, caller: Caller, within: timedelta) -> None:
    """Note that a caller has gone without his answer; some that nobody has asked for `within` are
    forgotten."""
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
    # The transaction's time: an index is searched for a constant, and read whole for a clock.
    old = select(OpenCall.job_id).where(OpenCall.called_at <= func.now() - within)
    session.execute(
        delete(OpenCall)
        .where(OpenCall.job_id.in_(old.limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)))
        .execution_options(synchronize_session=False)
    )


# Built once: they stand before and behind every response.


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
            jobs.c.conversation_id.is_not(None),  # else what was said is deleted
        )
        .order_by(calls.c.abandoned.desc(), calls.c.answered, calls.c.called_at)
        .limit(1)
        .with_for_update(of=calls, skip_locked=True)
    )


@lru_cache(maxsize=1)
def _close_statement() -> Executable:
    mine = (calls.c.job_id == bindparam("at_job"), calls.c.caller == bindparam("at_caller"))
    return update(calls).where(*mine).values(answered=True, abandoned=False, called_at=now())
