"""Broadcasts: one message sent to several minds, whose answers are sibling jobs."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import ARRAY, ForeignKey, Index, any_, bindparam, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from config.minds import MANAGER
from models.base import Base, Id, Timestamp
from models.jobs import Job
from models.pages import page_of
from models.statement import Runner, Statement


class Broadcast(Base):
    """One message to several minds.

    `kept_job_id` names the answer from which every track continues: a merged one, or a sibling's
    that was chosen. Without one, each mind continues from its own.
    """

    __tablename__ = "broadcasts"
    __table_args__ = (
        Index("ix_broadcasts_listing", "user_id", "id"),
        # A job that is deleted looks for the broadcasts that keep its answer.
        Index(
            "ix_broadcasts_kept_job_id", "kept_job_id", postgresql_where="kept_job_id IS NOT NULL"
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[str] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), index=True
    )
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    kept_job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    created_at: Mapped[Timestamp]


@dataclass(frozen=True)
class Usage:
    """The total costs of several jobs; the fields are named like a job's columns."""

    input_tokens: int
    output_tokens: int
    tokens_saved: int
    cost_usd: Decimal
    paid_duplicates: int

    @classmethod
    def of(cls, jobs: Collection[Job]) -> "Usage":
        """The sum of these jobs' costs."""
        return cls(
            input_tokens=sum(job.input_tokens for job in jobs),
            output_tokens=sum(job.output_tokens for job in jobs),
            tokens_saved=sum(job.tokens_saved for job in jobs),
            cost_usd=sum((job.cost_usd for job in jobs), Decimal(0)),
            paid_duplicates=sum(job.paid_duplicates for job in jobs),
        )


@dataclass(frozen=True)
class BroadcastJobs:
    """A broadcast and its jobs: one try for each mind, in the order of minds, then retries, oldest
    first; merges oldest first."""

    broadcast: Broadcast
    tries: Sequence[Job]
    merges: Sequence[Job] = ()

    @cached_property
    def siblings(self) -> Sequence[Job]:
        """Each mind's newest try, in the order of the minds."""
        return list({job.mind: job for job in self.tries}.values())

    @property
    def jobs(self) -> list[Job]:
        """The jobs that count: the siblings, then the merges."""
        return [*self.siblings, *self.merges]

    @property
    def merge(self) -> Job | None:
        """The newest merge, or None."""
        return self.merges[-1] if self.merges else None

    @property
    def completed(self) -> list[Job]:
        """The siblings that have completed."""
        return [job for job in self.siblings if job.status == "completed"]

    @property
    def ended(self) -> bool:
        """Whether every sibling has ended, in whatever way."""
        return all(job.slot is None for job in self.siblings)

    @property
    def status(self) -> str:
        """The status of the siblings as a whole; `partial` if only some have completed."""
        if not self.ended:
            started = any(job.started_at is not None for job in self.siblings)
            return "in_progress" if started else "queued"
        if self.completed:
            return "completed" if len(self.completed) == len(self.siblings) else "partial"
        cancelled = all(job.status == "cancelled" for job in self.siblings)
        return "cancelled" if cancelled else "failed"

    @property
    def usage(self) -> Usage:
        """The total costs of all jobs, with those that were retried."""
        return Usage.of([*self.tries, *self.merges])


@dataclass(frozen=True)
class Answer:
    """One mind's answer."""

    mind: str
    text: str


def find_broadcast(
    session: Session, user_id: str, broadcast_id: str, *, lock: bool = False
) -> Broadcast | None:
    """A user's broadcast; None if it is unknown or another user's.

    `lock` locks it until the transaction ends; jobs that refer to it can still be added.
    """
    query = select(Broadcast).where(Broadcast.id == broadcast_id, Broadcast.user_id == user_id)
    return session.scalar(query.with_for_update(key_share=True) if lock else query)


def list_broadcasts(
    session: Session,
    user_id: str,
    *,
    limit: int,
    after: str | None = None,
    conversation_id: str | None = None,
) -> list[Broadcast]:
    """A page of a user's broadcasts, newest first.

    Args:
        limit: the page size; one more is returned if there are more.
        after: the id of the last broadcast of the previous page.
        conversation_id: only broadcasts in this conversation.

    Raises:
        InvalidRequest: `after` is not one of the user's broadcasts.
    """
    here = [] if conversation_id is None else [Broadcast.conversation_id == conversation_id]
    mine = select(Broadcast).where(Broadcast.user_id == user_id)
    return page_of(session, mine, Broadcast.id, *here, limit=limit, after=after)


def gather(session: Session, broadcasts: Sequence[Broadcast]) -> list[BroadcastJobs]:
    """These broadcasts with their jobs, in the same order. Ownership is not checked."""
    ids = [broadcast.id for broadcast in broadcasts]
    tries, merges = (
        defaultdict[str | None, list[Job]](list),
        defaultdict[str | None, list[Job]](list),
    )
    for job in session.scalars(select(Job).where(Job.broadcast_id.in_(ids)).order_by(Job.id)):
        (merges if job.mind == MANAGER else tries)[job.broadcast_id].append(job)
    return [BroadcastJobs(each, tries[each.id], merges[each.id]) for each in broadcasts]


def answers_of(connection: Runner, job_ids: Sequence[str]) -> list[Answer]:
    """The answers of these jobs, in the order of their ids."""
    if not job_ids:
        return []
    found = _answers_statement().rows(connection, {"job_ids": list(job_ids)})
    return [Answer(mind, text) for mind, text in found if text is not None]


@lru_cache(maxsize=1)
def _answers_statement() -> Statement:
    wanted = any_(bindparam("job_ids", type_=ARRAY(Job.id.type)))
    return Statement(select(Job.mind, Job.answer).where(Job.id == wanted).order_by(Job.id))


def keep_answer(session: Session, broadcast_id: str, job_id: str) -> None:
    """Make every track continue from this job's answer, replacing an earlier choice."""
    session.execute(
        update(Broadcast).where(Broadcast.id == broadcast_id).values(kept_job_id=job_id)
    )
