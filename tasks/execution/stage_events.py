"""The events of a stage: its begin, its end, and the usage of an answer."""

from models.lifecycle.event_numbers import after_stage
from models.spent import Spent
from models.stage_record import StageRecord
from tasks.events.envelope import Envelope
from tasks.events.publisher import publish_event, publish_restart
from tasks.execution.work import Work


def publish_begun(work: Work) -> None:
    """Publish that a stage runs; and that its text restarts, if it does."""
    publish_record(work, StageRecord(status="running"), work.number)
    if work.fence.stage == "generate" and work.draft.saved().restarts:
        publish_restart(work.fence.job_id, work.number, work.draft.number)


def publish_record(work: Work, record: StageRecord, number: int) -> None:
    """Publish a stage's record at the event `number`."""
    data = {"name": work.fence.stage, **record.stored()}
    publish_event(work.fence.job_id, Envelope.step("stage", number, data))


def publish_checkpoint(work: Work, record: StageRecord, number: int, spent: Spent) -> None:
    """Publish that a stage is done; after generate, also the job's usage."""
    publish_record(work, record, number)
    if work.fence.stage == "generate":
        cost = {
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "cost_usd": f"{spent.cost_usd:.6f}",
        }
        publish_event(work.fence.job_id, Envelope.step("usage", after_stage(number), cost))
