"""What a checkpoint does of the stages that follow, if its thread goes on with them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import uuid4

import structlog

from config.minds import MANAGER
from models.errors import DatabaseUnavailable
from models.ids import new_id
from models.lifecycle.after_commit import PendingDispatch
from models.lifecycle.completion import complete_at_once
from models.lifecycle.event_numbers import after_stage, next_number
from models.lifecycle.fence import Fence
from models.lifecycle.handover import hand_over, requeue_unstarted
from models.session import unit_of_work
from models.spent import Spent
from models.stage_record import StageRecord
from models.statement import Runner
from tasks.execution.work import Outcome, Work
from tasks.jobs.dispatch import is_long
from tasks.policies import PERSIST

SHORT: Final = StageRecord(status="skipped", reason="short")
STORED: Final = StageRecord(status="completed")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Done:
    """A stage that a checkpoint has done as well, and its complete record."""

    stage: str
    record: StageRecord


@dataclass(frozen=True)
class Handover:
    """The stages that a checkpoint has done as well, in their order, and the run that it has begun.

    Each is still a Celery task of its own, which takes the handover on.

    Attributes:
        work: the run that checkpoints.
        done: the stages that need no run.
        begun: the run after them; None: the job is completed.
        answer_id: the id of the answer's message, if the job is completed.
    """

    work: Work
    done: tuple[Done, ...]
    begun: Work | None = None
    answer_id: str = ""

    @property
    def rest(self) -> "Handover":
        """What is left of it after the first stage that is done."""
        return replace(self, done=self.done[1:])

    def is_for(self, fence: Fence) -> bool:
        """Whether it hands over this stage first."""
        stages = [each.stage for each in self.done]
        if self.begun is not None:
            stages.append(self.begun.fence.stage)
        by = self.work.fence
        return (by.job_id, by.epoch) == (fence.job_id, fence.epoch) and fence.stage in stages[:1]

    def store(
        self, connection: Runner, work: Work, outcome: Outcome, record: StageRecord
    ) -> "Stored | None":
        """Checkpoint `work` with this handover. None if it can't be: something is to be begun that
        can't begin, or the run has lost its stage."""
        records = {work.fence.stage: record, **{each.stage: each.record for each in self.done}}
        if self.begun is None:
            return self._complete(connection, outcome, records)
        begun = replace(self.begun, began=time.monotonic())
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

    def _complete(
        self, connection: Runner, outcome: Outcome, records: Mapping[str, StageRecord]
    ) -> "Stored | None":
        alone, ended = self.work.alone_since, self.done[-1].record.ended
        if alone is None or ended is None:
            return None
        completion = complete_at_once(
            connection,
            self.work.fence,
            records,
            outcome.columns,
            after_stage(ended),
            alone=alone,
            answer_id=self.answer_id,
            spent=self.work.bill.spent,
            reserved=self._reserved(),
        )
        if completion is None:
            return None
        return Stored(completion.spent, self, completion.released, completion.webhooks)

    def _reserved(self) -> Decimal | None:
        reserved = self.work.reserved_usd
        return None if reserved is None else reserved + self.work.bill.reserved_usd

    def give_back(self) -> bool:
        """Queue the begun stage again. False if no message is needed: none was begun, or it can't
        be queued now."""
        if self.begun is None:
            return False
        try:
            with unit_of_work() as session:
                return requeue_unstarted(session, self.begun.fence)
        except DatabaseUnavailable as error:
            log.warning("stage not queued again", effect="its lease expires", error=str(error))
            return False


@dataclass(frozen=True)
class Stored:
    """What a job has cost when a stage was stored, as `checkpoint` says, what was handed over with
    it, the jobs that its end has released, and the webhooks to notify of it."""

    spent: Spent
    handover: Handover | None = None
    released: tuple[PendingDispatch, ...] = ()
    webhooks: tuple[str, ...] = ()


def plan(work: Work, outcome: Outcome, last: int, stages: Sequence[str]) -> list[Handover]:
    """What the checkpoint of `work` may hand over, the best first.

    Args:
        work: the run that checkpoints.
        outcome: its result.
        last: the number of its last event.
        stages: those that its thread would go on with.
    """
    done: list[Done] = []
    for stage in stages:
        began = next_number(last)
        record = skip(stage, work.message)
        if record is None or stage == stages[-1]:
            fence = replace(work.fence, stage=stage, token=uuid4())
            begun = work.followed_by(outcome, fence, began, len(done) + 1)
            return [*_completion(work, stage, began), Handover(work, tuple(done), begun)]
        last = next_number(began)
        done.append(Done(stage, replace(record, ms=0, began=began, ended=last)))
    return []


def _completion(work: Work, stage: str, began: int) -> list[Handover]:
    """The end of a job whose answer only has to be stored, if nothing else is to be done."""
    if stage != PERSIST.stage or work.alone_since is None or work.mind == MANAGER:
        return []
    record = replace(STORED, ms=0, began=began, ended=next_number(began))
    return [Handover(work, (Done(stage, record),), answer_id=new_id("msg"))]


def skip(stage: str, message: str) -> StageRecord | None:
    """The record of a stage in which nothing is to do; None: it has to run."""
    return SHORT if stage == "compress" and not is_long(message) else None
