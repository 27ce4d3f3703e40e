"""Jobs: one message on its way to one answer. How a job moves is in `transitions.py`."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Numeric,
    Select,
    SmallInteger,
    String,
    Text,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Id, Timestamp
from models.session import statements
from models.stage_record import StageRecord
from models.statement import Runner, Statement

URL_MAX_CHARS: Final = 2048
STAGES: Final = ("intent", "compress", "generate", "persist")
UNFINISHED: Final = ("queued", "in_progress")
FINISHED: Final = ("completed", "failed", "cancelled", "expired")
STATUSES: Final = UNFINISHED + FINISHED
SLOTS: Final = ("queued", "running", "waiting", "blocked", "held")
# The lanes of the broker's queues; a worker takes the lowest first. Redis has a list for each.
FIRST, CROWDED, BULK = 0, 3, 6
LANES: Final = (FIRST, CROWDED, BULK)
PRIORITIES: Final = ("interactive", "bulk")


def priority_of(lane: int) -> str:
    """The priority of a job that has this lane."""
    return PRIORITIES[lane == BULK]


def lane_of(priority: str) -> int:
    """The lane of a new job with this priority, if its user has little in flight."""
    return BULK if priority == "bulk" else FIRST


def after(stage: str) -> str | None:
    """The next stage, or None after the last."""
    rest = STAGES[STAGES.index(stage) + 1 :]
    return rest[0] if rest else None


# The transaction that wrote the row.
VERSION: Final = literal_column("jobs.xmin::text", String)


class Job(Base):
    """One job. While unfinished, it is in exactly one slot; the checks below say what each needs.

    `partial` is the text that a running generate has saved so far; a cancelled job keeps it.
    `stages` has each stage's `StageRecord`, by its name; read one with `record`.
    `options` says how the caller wants it answered (`models/job_options.py`);
    `previous_id` is the job that it continues, instead of its whole track.
    `request_id` is the id of the request that created it, for the log, and `traceparent` where that
    request is in a trace, which the stages continue.
    `webhook_url` is notified of its end.
    `budget_month` is the month whose budget pays for it, if its user has one, and `reserved_usd`
    what it has reserved of that, until it is settled (`models/spend.py`).
    `sequence` is the number of the job's last event; `text_base` is the number before that of the
    first character of its text; `restarts` is how often that text was started again.
    `lane` says which jobs go before it: those of users with little in flight first, bulk jobs last.
    A job outlives its conversation, but keeps no text of it.
    Times are the database's; `queue_lease_s` is the length of the last queue lease in seconds.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint(f"stage IN {STAGES}", name="stage"),
        CheckConstraint(f"(slot IS NOT NULL) = (status IN {UNFINISHED})", name="one_slot"),
        CheckConstraint(
            "slot IS NULL"
            " OR (slot = 'queued' AND queue_lease_until IS NOT NULL)"
            " OR (slot = 'running' AND run_token IS NOT NULL AND lease_until IS NOT NULL)"
            " OR (slot = 'waiting' AND next_attempt_at IS NOT NULL)"
            " OR slot IN ('blocked', 'held')",
            name="slot_is_whole",
        ),
        CheckConstraint("(completed_at IS NULL) = (slot IS NOT NULL)", name="finished_has_time"),
        Index("ix_jobs_listing", "user_id", "id"),
        Index("ix_jobs_conversation", "conversation_id", "id"),
        CheckConstraint(f"lane IN {LANES}", name="lane"),
        Index("ix_jobs_held", "user_id", "lane", "id", postgresql_where="slot = 'held'"),
        Index("ix_jobs_slots", "slot", "user_id", postgresql_where="slot IS NOT NULL"),
        Index("ix_jobs_ended", "user_id", "status", "id", postgresql_where="slot IS NULL"),
        # Not `slot IS NOT NULL`: if nothing was queued when statistics were taken, the planner
        # would think the index empty, and read all of it to find a running job by its id.
        Index(
            "ix_jobs_unfinished",
            "conversation_id",
            "mind",
            postgresql_where="completed_at IS NULL",
        ),
        Index("ix_jobs_completed_at", "completed_at", postgresql_where="completed_at IS NOT NULL"),
        Index(
            "ix_jobs_without_conversation",
            "completed_at",
            postgresql_where="conversation_id IS NULL AND completed_at IS NOT NULL",
        ),
        Index("ix_jobs_broadcast_id", "broadcast_id", postgresql_where="broadcast_id IS NOT NULL"),
        Index("ix_jobs_previous_id", "previous_id", postgresql_where="previous_id IS NOT NULL"),
        Index("ix_jobs_reserved", "id", postgresql_where="reserved_usd IS NOT NULL"),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    conversation_id: Mapped[str | None] = mapped_column(
        ForeignKey("conversations.id", ondelete="SET NULL")
    )
    message_id: Mapped[str | None] = mapped_column(
        ForeignKey("messages.id", ondelete="SET NULL"), index=True
    )
    broadcast_id: Mapped[str | None] = mapped_column(
        ForeignKey("broadcasts.id", ondelete="SET NULL", use_alter=True)
    )
    previous_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    mind: Mapped[str] = mapped_column(String(64))
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    request_id: Mapped[str | None] = mapped_column(String(128))
    traceparent: Mapped[str | None] = mapped_column(String(55))
    webhook_url: Mapped[str | None] = mapped_column(String(URL_MAX_CHARS))

    status: Mapped[str] = mapped_column(String(11), default="queued")
    stage: Mapped[str] = mapped_column(String(8), default=STAGES[0])
    slot: Mapped[str | None] = mapped_column(String(7), default="queued")
    epoch: Mapped[int] = mapped_column(default=1)
    run_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    queue_lease_until: Mapped[datetime | None]
    queue_lease_s: Mapped[int] = mapped_column(default=30)
    lane: Mapped[int] = mapped_column(SmallInteger, default=FIRST, server_default="0")
    next_attempt_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    starts: Mapped[int] = mapped_column(default=0)
    crash_count: Mapped[int] = mapped_column(default=0, server_default="0")

    created_at: Mapped[Timestamp]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]

    intent: Mapped[str | None] = mapped_column(String(64))
    prompt: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    partial: Mapped[str | None] = mapped_column(Text)
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[dict[str, Any] | None]
    stages: Mapped[dict[str, Any]] = mapped_column(default=dict)
    route: Mapped[dict[str, Any] | None]
    input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    tokens_saved: Mapped[int] = mapped_column(default=0)
    cost_usd: Mapped[Decimal] = mapped_column(Numeric(14, 6), default=Decimal(0))
    paid_duplicates: Mapped[int] = mapped_column(default=0)
    reserved_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 6))
    budget_month: Mapped[date | None]

    sequence: Mapped[int] = mapped_column(BigInteger, default=1, server_default="1")
    text_base: Mapped[int | None] = mapped_column(BigInteger)
    restarts: Mapped[int] = mapped_column(default=0, server_default="0")

    @property
    def priority(self) -> str:
        """One of `PRIORITIES`."""
        return priority_of(self.lane)

    def record(self, stage: str) -> StageRecord:
        """The record of a stage; one that has not begun is pending."""
        return StageRecord.of(self.stages.get(stage, {}))


def find_job(session: Session, user_id: str, job_id: str) -> Job | None:
    """A user's job; None if it is unknown or another user's."""
    return session.scalar(_find_statement(), {"at_job": job_id, "at_user": user_id})


def find_version(user_id: str, job_id: str) -> str | None:
    """The version of a user's job, which every UPDATE of its row changes; None if it is unknown or
    another user's."""
    with statements() as connection:
        rows = _version_statement().rows(connection, {"at_job": job_id, "at_user": user_id})
    return rows[0][0] if rows else None


def find_job_and_version(session: Session, user_id: str, job_id: str) -> tuple[Job, str] | None:
    """`find_job` and `find_version` as of the same moment."""
    values = {"at_job": job_id, "at_user": user_id}
    found = session.execute(_find_with_version_statement(), values).one_or_none()
    return (found[0], found[1]) if found else None


def find_job_of_message(session: Session, user_id: str, message_id: str) -> Job | None:
    """The first of the user's jobs for a message, or None."""
    mine = (Job.message_id == message_id, Job.user_id == user_id)
    return session.scalar(select(Job).where(*mine).order_by(Job.id).limit(1))


def jobs_of_messages(session: Session, message_ids: Iterable[str]) -> dict[str, str]:
    """The id of the first job of each message, by message id. Ownership is not checked."""
    jobs = select(Job.message_id, func.min(Job.id)).where(Job.message_id.in_(message_ids))
    rows = session.execute(jobs.group_by(Job.message_id)).tuples()
    return {message_id: job_id for message_id, job_id in rows if message_id is not None}


def sequences_of(session: Session, job_ids: Collection[str]) -> dict[str, int]:
    """The number of each job's last event, by job id; unknown jobs are left out."""
    rows = session.execute(select(Job.id, Job.sequence).where(Job.id.in_(job_ids))).tuples()
    return dict(rows.all())


def unfinished(connection: Runner, user_id: str, job_ids: Collection[str]) -> set[str]:
    """The ids of those jobs that are the user's and have not ended."""
    values = {"among_jobs": list(job_ids), "at_user": user_id}
    return {job_id for (job_id,) in _unfinished_statement().rows(connection, values)}


def unfinished_in(session: Session, user_id: str, conversation_id: str) -> list[Job]:
    """A conversation's jobs that have not ended, oldest first."""
    of_user = select(Job).where(Job.user_id == user_id, Job.completed_at.is_(None))
    here = of_user.where(Job.conversation_id == conversation_id)
    return list(session.scalars(here.order_by(Job.id)))


def jobs_since(session: Session, user_id: str, conversation_id: str, job_id: str) -> list[Job]:
    """A conversation's jobs that began after a job, oldest first."""
    of_user = select(Job).where(Job.user_id == user_id, Job.id > job_id)
    here = of_user.where(Job.conversation_id == conversation_id)
    return list(session.scalars(here.order_by(Job.id)))


def find_jobs(
    session: Session, user_id: str, conversation_id: str, job_ids: Collection[str]
) -> list[Job]:
    """Those jobs of a conversation that have these ids and are the user's."""
    if not job_ids:
        return []
    of_user = select(Job).where(Job.id.in_(job_ids), Job.user_id == user_id)
    return list(session.scalars(of_user.where(Job.conversation_id == conversation_id)))


@lru_cache(maxsize=1)
def _find_statement() -> Select[tuple[Job]]:
    return select(Job).where(*_is_users())


@lru_cache(maxsize=1)
def _find_with_version_statement() -> Select[tuple[Job, str]]:
    return select(Job, VERSION).where(*_is_users())


@lru_cache(maxsize=1)
def _version_statement() -> Statement:
    return Statement(select(VERSION).where(*_is_users()))


@lru_cache(maxsize=1)
def _unfinished_statement() -> Statement:
    among = Job.id == any_(bindparam("among_jobs", type_=ARRAY(Job.id.type)))
    mine = (Job.user_id == bindparam("at_user"), Job.slot.is_not(None))
    return Statement(select(Job.id).where(among, *mine))


def _is_users() -> tuple[ColumnElement[bool], ...]:
    return Job.id == bindparam("at_job"), Job.user_id == bindparam("at_user")
