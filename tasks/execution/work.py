"""What a stage is given and what it returns, both frozen."""

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.settings import get_settings
from models.job_options import Options
from models.lifecycle.event_numbers import next_number, text_base
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import take
from models.stage_record import StageRecord
from models.statement import Runner
from tasks.bill import Bill
from tasks.events.publisher import TextFeed
from tasks.execution.output_buffer import OutputBuffer
from tasks.policies import POLICIES
from tasks.tracing.spans import trace_id


@dataclass(frozen=True)
class Work:
    """One run of one stage of a job.

    Attributes:
        starts: how often the stage has started; tells runs apart even after a lost lease.
        began: when the run began, on `time.monotonic()`.
        deadline: when the job must have ended, on the same clock.
        number: the number of the event that the run began.
        bill: what its model calls cost.
        stop: set when the result is no longer wanted. Stages that take long check it.
        request_id: the request that created the job.
        has_past: false if nothing was said before.
        alone_since: when the conversation was last changed, if no job waited for this one then.
        conversation_id: None if the conversation was deleted.
        reserved_usd: what was reserved for the job when the run began, if its user has a budget.
        traceparent: where the request that created the job is in a trace.
    """

    fence: Fence
    user_id: str
    mind: str
    message: str
    prompt: str | None
    intent: str | None
    attempts: int
    starts: int
    options: Options
    began: float
    deadline: float
    run_limit_s: float
    number: int
    draft: OutputBuffer
    bill: Bill = field(default_factory=Bill)
    stop: threading.Event = field(default_factory=threading.Event)
    request_id: str | None = None
    has_past: bool = True
    alone_since: datetime | None = None
    conversation_id: str | None = None
    reserved_usd: Decimal | None = None
    traceparent: str | None = None

    @property
    def named(self) -> dict[str, str | None]:
        """The user, the conversation, the request and the trace, for log lines."""
        named = {
            "user_id": self.user_id,
            "conversation_id": self.conversation_id,
            "request_id": self.request_id,
        }
        return (
            named if self.traceparent is None else named | {"trace_id": trace_id(self.traceparent)}
        )

    @property
    def ms(self) -> int:
        """Milliseconds since this run began."""
        return round((time.monotonic() - self.began) * 1000)

    @property
    def end_number(self) -> int:
        """The number of the event that ends this run."""
        return next_number(max(self.number, self.draft.number))

    def ended(self, record: StageRecord, number: int) -> StageRecord:
        """Complete the stage's record; `number` is the event that ends the run."""
        tried = self.bill.tried or record.tried
        return replace(record, ms=self.ms, began=self.number, ended=number, tried=tried)

    def followed_by(self, outcome: "Outcome", fence: Fence, number: int, steps: int) -> "Work":
        """The work of a later stage that the checkpoint of this one begins, as `load` would.

        Args:
            outcome: the result of this run.
            fence: the run that begins.
            number: the number of the event with which it begins.
            steps: how many stages later it is.
        """
        return replace(
            self,
            fence=fence,
            prompt=outcome.columns.get("prompt", self.prompt),
            intent=outcome.columns.get("intent", self.intent),
            attempts=0,
            starts=self.starts + steps,
            began=time.monotonic(),
            run_limit_s=POLICIES[fence.stage].run_limit_s,
            number=number,
            draft=_draft(fence, number),
            bill=Bill(),
            stop=threading.Event(),
        )

    @property
    def is_late(self) -> bool:
        """Whether it starts so long after it asked to begin that the job may have another owner:
        then no model must be called here."""
        return time.monotonic() - self.began > get_settings().lease_s

    @property
    def overtime(self) -> bool:
        """Whether this run has exceeded its time limit."""
        return time.monotonic() - self.began > self.run_limit_s

    @property
    def remaining_s(self) -> float:
        """Seconds until the job's deadline; negative once it has passed."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Outcome:
    """The result of a stage: its record, and the job's columns that it sets.

    `stored`: the stage has already stored its result, in a transaction of its own.
    """

    record: StageRecord
    columns: dict[str, Any] = field(default_factory=dict)
    stored: bool = False


def load(connection: Runner, fence: Fence, run_limit_s: float) -> Work | None:
    """Begin the stage and load its input. None: it can't begin."""
    began = time.monotonic()
    job = take(connection, fence)
    if job is None:
        return None
    return Work(
        fence=fence,
        user_id=job.user_id,
        mind=job.mind,
        message=job.message,
        prompt=job.prompt,
        intent=job.intent,
        attempts=job.attempts,
        starts=job.starts,
        options=Options.of(job.options),
        began=began,
        deadline=time.monotonic() + job.remaining_s,
        run_limit_s=run_limit_s,
        number=job.sequence,
        draft=_draft(fence, job.sequence, job.restarts),
        request_id=job.request_id,
        has_past=job.has_past,
        alone_since=job.alone_since,
        conversation_id=job.conversation_id,
        reserved_usd=job.reserved_usd,
        traceparent=job.traceparent,
        bill=Bill(job.tried or ()),
    )


def _draft(fence: Fence, number: int, restarts: int = 0) -> OutputBuffer:
    if fence.stage != "generate":
        return OutputBuffer(number)
    return OutputBuffer(text_base(number), restarts, TextFeed(fence.job_id))
