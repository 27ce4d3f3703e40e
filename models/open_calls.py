"""Calls that have not got their answer yet, so that a caller who asks again gets the first one's.

A call that says that it is a retry, or whose first caller has gone, takes over the job that was
made for the same user and body. Whoever has taken it over gets the answer; who waited for it before
has gone, or finds that it is his no more. So no answer is given to two calls.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID, uuid4

from sqlalchemy import (
    Boolean,
    CursorResult,
    Executable,
    ForeignKey,
    Index,
    Interval,
    LargeBinary,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp
from models.jobs import Job

SWEPT_AT_ONCE: Final = 100
# What has failed is made again, and what was cancelled was not wanted.
WANTED: Final = ("queued", "in_progress", "completed")

now = func.clock_timestamp


class OpenCall(Base):
    """A job's call whose answer nobody has had. `caller` is who gets it, `abandoned` whether he is
    known to have gone without it. `fingerprint` is the SHA-256 of the call and its body."""

    __tablename__ = "open_calls"
    __table_args__ = (Index("ix_open_calls_user_id", "user_id", "fingerprint"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    caller: Mapped[UUID]
    abandoned: Mapped[bool] = mapped_column(default=False)
    called_at: Mapped[Timestamp]


@dataclass(frozen=True)
class Caller:
    """One caller's claim to the answer of a job."""

    job_id: str
    token: UUID

    def values(self) -> dict[str, object]:
        """As the parameters of a statement."""
        return {"at_job": self.job_id, "at_caller": self.token}


calls = cast(Table, OpenCall.__table__)


def open_call(session: Session, user_id: str, fingerprint: bytes, job_id: str) -> Caller:
    """Note that a job was made for a call which waits for its answer."""
    caller = Caller(job_id, uuid4())
    values = {"job_id": job_id, "user_id": user_id, "fingerprint": fingerprint}
    session.execute(_open_statement(), values | {"caller": caller.token})
    return caller


def take_over(
    session: Session, user_id: str, fingerprint: bytes, within: timedelta, *, retried: bool
) -> Caller | None:
    """The claim to what an earlier call with this body has made and not got, no longer ago than
    `within`; None: there is none. `retried`: the caller says that it is that call."""
    values = {"user": user_id, "print": fingerprint, "retried": retried, "within": within}
    job_id = session.scalar(_find_statement(), values)
    if job_id is None:
        return None
    caller = Caller(job_id, uuid4())
    session.execute(
        update(OpenCall)
        .where(OpenCall.job_id == job_id)
        .values(caller=caller.token, abandoned=False, called_at=now())
    )
    return caller


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
        .where(OpenCall.job_id == caller.job_id, OpenCall.caller == caller.token)
        .values(abandoned=True, called_at=now())
    )
    old = select(OpenCall.job_id).where(OpenCall.called_at <= now() - within)
    session.execute(
        delete(OpenCall)
        .where(OpenCall.job_id.in_(old.limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)))
        .execution_options(synchronize_session=False)
    )


# Built once: they stand before and behind every response.


@lru_cache(maxsize=1)
def _open_statement() -> Executable:
    return insert(calls).values(abandoned=False)


@lru_cache(maxsize=1)
def _find_statement() -> Executable:
    jobs = cast(Table, Job.__table__)
    return (
        select(calls.c.job_id)
        .join(jobs, jobs.c.id == calls.c.job_id)
        .where(
            calls.c.user_id == bindparam("user"),
            calls.c.fingerprint == bindparam("print"),
            or_(calls.c.abandoned, bindparam("retried", type_=Boolean)),
            calls.c.called_at > now() - bindparam("within", type_=Interval),
            jobs.c.status.in_(WANTED),
        )
        .order_by(calls.c.abandoned.desc(), calls.c.called_at)
        .limit(1)
        .with_for_update(of=calls, skip_locked=True)
    )


@lru_cache(maxsize=1)
def _close_statement() -> Executable:
    mine = (calls.c.job_id == bindparam("at_job"), calls.c.caller == bindparam("at_caller"))
    return delete(calls).where(*mine)
