"""A simulated worker that goes on with a job itself, without the broker."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

from models.ids import new_id
from models.jobs import after
from models.lifecycle.after_commit import after_commit
from models.lifecycle.completion import complete_at_once
from models.lifecycle.event_numbers import last_of, next_number
from models.lifecycle.fence import Fence
from models.lifecycle.handover import hand_over, requeue_unstarted
from models.spent import Spent
from models.stage_record import StageRecord

from .conftest import read
from .invariants import Invariants, Run

DONE = StageRecord(status="completed", ms=1)
PAID = Spent(input_tokens=1, cost_usd=Decimal("0.000001"))


class GoingOn(Invariants):
    """What a checkpoint does of later stages."""

    def goes_on(self, run: Run) -> bool:
        """Whether its worker goes on with the job itself."""
        if self.rng.random() < 0.5 and self._complete_at_once(run):
            return True
        begun = self._hand_over(run) if self.rng.random() < 0.5 else None
        if begun is None:
            return False
        if self.rng.random() < 0.2:  # it can't go on after all
            self._give_back(begun)
        else:
            self.runs.append(begun)
        return True

    def _complete_at_once(self, run: Run) -> bool:
        """The run's worker stores the answer with the checkpoint of generate, if it may."""
        if run.fence.stage != "generate" or run.alone is None:
            return False
        answer_id = new_id("msg")
        if not self._completes(run, answer_id):
            return False
        self.wrote(run)
        self.done[run.fence.job_id].append("persist")
        self.paid[run.fence.job_id] += PAID.input_tokens
        if self.rng.random() < 0.1:  # the commit's reply was lost
            assert self._completes(run, answer_id)
        return True

    def _completes(self, run: Run, answer_id: str) -> bool:
        assert run.alone is not None
        records = dict.fromkeys(("generate", "persist"), DONE)
        with self.transaction() as session:
            written = complete_at_once(
                session,
                run.fence,
                records,
                run.columns,
                run.number + 5,
                alone=run.alone,
                answer_id=answer_id,
                spent=PAID,
            )
            if written is not None:
                after_commit(session).released.extend(written.released)
        return written is not None

    def _hand_over(self, run: Run) -> Run | None:
        """The run's worker goes on with the job; at times it skips a stage."""
        number, between = last_of(run.fence.stage, next_number(run.number)), list[str]()
        stage = after(run.fence.stage)
        if stage == "compress" and self.rng.random() < 0.5:
            between, stage, number = [stage], after(stage), number + 2
        assert stage is not None
        to, began = replace(run.fence, stage=stage, token=uuid4()), next_number(number)
        if not self._hands_over(run, to, between, began):
            return None
        self.wrote(run)
        self.done[to.job_id] += between
        self.paid[to.job_id] += PAID.input_tokens
        self.begun[to.job_id] += 1
        if self.rng.random() < 0.1:  # the commit's reply was lost
            assert self._hands_over(run, to, between, began)
        row, starts = read(to.job_id), run.starts + 1 + len(between)
        assert (row.stage, row.starts, row.sequence) == (stage, starts, began), self.story
        return Run(to, row.starts, self.begun[to.job_id], began, run.alone)

    def _hands_over(self, run: Run, to: Fence, between: list[str], began: int) -> bool:
        records = dict.fromkeys([run.fence.stage, *between], DONE)
        with self.transaction() as session:
            written = hand_over(session, run.fence, to, records, run.columns, began, PAID)
        return written is not None

    def _give_back(self, run: Run) -> None:
        with self.transaction() as session:
            assert requeue_unstarted(session, run.fence), self.story
        if self.rng.random() < 0.9:  # else it dies before it publishes
            self.broker.append((run.fence.job_id, run.fence.epoch, run.fence.stage))
