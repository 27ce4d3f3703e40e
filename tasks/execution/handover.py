"""What a checkpoint does of the stages that follow, if its thread goes on with them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

import structlog

from models.errors import DatabaseUnavailable
from models.lifecycle.event_numbers import next_number
from models.lifecycle.fence import Fence
from models.lifecycle.handover import hand_over, requeue_unstarted
from models.session import unit_of_work
from models.spent import Spent
from models.stage_record import StageRecord
from models.statement import Runner
from tasks.execution.work import Outcome, Work
from tasks.jobs.dispatch import is_long

SHORT: Final = StageRecord(status="skipped", reason="short")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Skipped:
    """A stage in which nothing was to do, and its complete record."""

    stage: str
    record: StageRecord


@dataclass(frozen=True)
class Handover:
    """The stages that a checkpoint has skipped, in their order, and the run that it has begun.

    Each is still a Celery task of its own, which takes the handover on.
    """

    skipped: tuple[Skipped, ...]
    begun: Work

    @property
    def rest(self) -> "Handover":
        """What is left of it after its first skipped stage."""
        return replace(self, skipped=self.skipped[1:])

    def is_for(self, fence: Fence) -> bool:
        """Whether it hands over this stage first."""
        stage = self.skipped[0].stage if self.skipped else self.begun.fence.stage
        begun = self.begun.fence
        return (begun.job_id, begun.epoch, stage) == (fence.job_id, fence.epoch, fence.stage)

    def store(
        self, connection: Runner, work: Work, outcome: Outcome, record: StageRecord
    ) -> "Stored | None":
        """Checkpoint `work` with this handover. None if it can't be: something is to be begun that
        can't begin, or the run has lost its stage."""
        begun = replace(self.begun, began=time.monotonic())
        records = {work.fence.stage: record, **{each.stage: each.record for each in self.skipped}}
        spent = hand_over(
            connection,
            work.fence,
            begun.fence,
            records,
            outcome.columns,
            begun.number,
            work.bill.spent,
        )
        return None if spent is None else Stored(spent, replace(self, begun=begun))

    def give_back(self) -> bool:
        """Queue the begun stage again. False if that failed, so that it needs no message."""
        try:
            with unit_of_work() as session:
                return requeue_unstarted(session, self.begun.fence)
        except DatabaseUnavailable as error:
            log.warning("stage not queued again", effect="its lease expires", error=str(error))
            return False


@dataclass(frozen=True)
class Stored:
    """What a job has cost when a stage was stored, as `checkpoint` says, and what was handed over
    with it."""

    spent: Spent
    handover: Handover | None = None


def plan(work: Work, outcome: Outcome, last: int, stages: Sequence[str]) -> Handover | None:
    """What the checkpoint of `work` is to hand over; None: nothing.

    Args:
        work: the run that checkpoints.
        outcome: its result.
        last: the number of its last event.
        stages: those that its thread would go on with.
    """
    skipped: list[Skipped] = []
    for stage in stages:
        began = next_number(last)
        record = skip(stage, work.message)
        if record is None or stage == stages[-1]:
            fence = replace(work.fence, stage=stage, token=uuid4())
            begun = work.followed_by(outcome, fence, began, len(skipped) + 1)
            return Handover(tuple(skipped), begun)
        last = next_number(began)
        skipped.append(Skipped(stage, replace(record, ms=0, began=began, ended=last)))
    return None


def skip(stage: str, message: str) -> StageRecord | None:
    """The record of a stage in which nothing is to do; None: it has to run."""
    return SHORT if stage == "compress" and not is_long(message) else None
