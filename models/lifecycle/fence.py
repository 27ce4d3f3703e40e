"""The fence: the conditions under which a run may still write to its job."""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Executable,
    Table,
    and_,
    bindparam,
    case,
    func,
    literal,
)
from sqlalchemy.orm import Session

from models.jobs import Job
from models.stage_record import StageRecord

now = func.clock_timestamp

jobs = cast(Table, Job.__table__)


@dataclass(frozen=True)
class Fence:
    """Identifies the run of a stage of a job that a write belongs to."""

    job_id: str
    epoch: int
    stage: str
    token: UUID

    def values(self) -> dict[str, Any]:
        """Its fields, as the parameters of a statement."""
        return {
            "job_id": self.job_id,
            "at_epoch": self.epoch,
            "at_stage": self.stage,
            "token": self.token,
        }

    def owned(self) -> ColumnElement[bool]:
        """True for the job's row while this run owns the stage."""
        return and_(
            Job.id == self.job_id,
            Job.epoch == self.epoch,
            Job.stage == self.stage,
            Job.run_token == self.token,
            Job.slot == "running",
        )


def owned_by_bound() -> ColumnElement[bool]:
    """`Fence.owned` for a statement that is built once; `Fence.values` are its parameters."""
    return and_(
        jobs.c.id == bindparam("job_id"),
        jobs.c.epoch == bindparam("at_epoch"),
        jobs.c.stage == bindparam("at_stage"),
        jobs.c.run_token == bindparam("token"),
        jobs.c.slot == "running",
    )


def lost_provider_call() -> ColumnElement[int]:
    """1 for a stage whose provider call was probably billed although its answer is lost, else 0."""
    return case((Job.stage == "generate", 1), else_=0)


def no_owner() -> dict[str, None]:
    """The columns of a job that no run owns."""
    return {"run_token": None, "lease_until": None}


def noting(stage: str, record: StageRecord) -> ColumnElement[Any]:
    """The receipt with this record set for a stage."""
    return Job.stages.op("||")(json_literal({stage: record.stored()}))


def json_literal(value: dict[str, Any]) -> ColumnElement[Any]:
    return literal(value, Job.stages.type)


def hits(session: Session, statement: Executable) -> bool:
    """Whether a statement changed exactly one row."""
    return rows_of(session, statement) == 1


def rows_of(session: Session, statement: Executable) -> int:
    """How many rows a statement changed."""
    return cast(CursorResult[Any], session.execute(statement)).rowcount
