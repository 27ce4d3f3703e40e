"""The backlog: how many unfinished jobs are where, and how old."""

from dataclasses import dataclass

from sqlalchemy import Float, extract, func, select
from sqlalchemy.orm import Session

from models.jobs import Job
from models.lifecycle.fence import now


@dataclass(frozen=True)
class Place:
    """The jobs of one slot at one stage; the age is that of the oldest, in seconds."""

    slot: str
    stage: str
    jobs: int
    oldest_s: float


def backlog(session: Session) -> list[Place]:
    """The places where there are unfinished jobs. Finished ones cost nothing: the index of the
    slots has none of them."""
    oldest = extract("epoch", now() - func.min(Job.created_at)).cast(Float)
    rows = session.execute(
        select(Job.slot, Job.stage, func.count(), oldest)
        .where(Job.slot.is_not(None))
        .group_by(Job.slot, Job.stage)
    )
    return [Place(*row) for row in rows]
