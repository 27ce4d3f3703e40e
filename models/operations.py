"""What operators see of everybody's jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from models.jobs import FINISHED, SLOTS, STAGES, Job
from models.pages import position_of
from models.users import User

SAMPLE: Final = 500


@dataclass(frozen=True)
class StageTimes:
    """How long a stage took in the newest jobs, in milliseconds."""

    stage: str
    jobs: int
    p50_ms: int
    p95_ms: int


@dataclass(frozen=True)
class OwnedJob:
    """A job, and the external id of its user."""

    job: Job
    user: str


def stage_times(session: Session) -> list[StageTimes]:
    """How long each stage took in the jobs that ended last, up to `SAMPLE`."""
    newest = select(Job.stages).where(Job.completed_at.is_not(None))
    found = session.scalars(newest.order_by(Job.completed_at.desc()).limit(SAMPLE)).all()
    return [_times(stage, found) for stage in STAGES]


def _times(stage: str, found: Sequence[dict[str, Any]]) -> StageTimes:
    records = [stages[stage] for stages in found if stage in stages]
    took = sorted(one["ms"] for one in records if one.get("status") == "completed" and "ms" in one)
    if not took:
        return StageTimes(stage, 0, 0, 0)
    return StageTimes(stage, len(took), took[len(took) // 2], took[len(took) * 95 // 100])


def list_all_jobs(
    session: Session,
    *,
    limit: int,
    after: str | None = None,
    status: str | None = None,
    q: str | None = None,
) -> list[OwnedJob]:
    """A page of everybody's jobs, newest first.

    Args:
        limit: the page size; one more is returned if there are more.
        after: the id of the last job of the previous page.
        status: only jobs with this status.
        q: the id of a job, a conversation, a broadcast or a request, or a user's external id.

    Raises:
        InvalidRequest: there is no job `after`.
    """
    query = select(Job, User.external_id).join(User, User.id == Job.user_id)
    if status is not None:
        query = query.where(*_has_status(status))
    if q is not None:
        query = query.where(_named(session, q))
    if after is not None:
        query = query.where(Job.id < position_of(session, select(Job), Job.id, after))
    rows = session.execute(query.order_by(Job.id.desc()).limit(limit + 1))
    return [OwnedJob(job, user) for job, user in rows]


def find_any_job(session: Session, job_id: str) -> OwnedJob | None:
    """A job of whatever user; None if there is none."""
    query = select(Job, User.external_id).join(User, User.id == Job.user_id)
    row = session.execute(query.where(Job.id == job_id)).one_or_none()
    return OwnedJob(row[0], row[1]) if row else None


def _named(session: Session, q: str) -> ColumnElement[bool]:
    """Each kind of id has an index of its own."""
    if q.startswith("job_"):
        return Job.id == q
    if q.startswith("conv_"):
        return Job.conversation_id == q
    if q.startswith("bcast_"):
        return Job.broadcast_id == q
    user_id = session.scalar(select(User.id).where(or_(User.external_id == q, User.id == q)))
    return Job.user_id == (user_id or "")


def _has_status(status: str) -> tuple[ColumnElement[bool], ...]:
    if status in FINISHED:
        return (Job.status == status, Job.slot.is_(None))
    return (Job.slot.in_(SLOTS), Job.status == status)
