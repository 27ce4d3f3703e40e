"""The events of a stage: its begin, its end, and the usage of an answer."""

from dataclasses import replace

from models.lifecycle.event_numbers import after_stage
from models.lifecycle.fence import Fence
from models.lifecycle.handover import RUNNING
from models.spent import Spent
from models.stage_record import StageRecord
from tasks.events.envelope import Envelope
from tasks.events.publisher import publish_end, publish_event, publish_restart
from tasks.execution.work import Work
from tasks.policies import PERSIST


def publish_begun(work: Work) -> None:
    """Publish that a stage runs; and that its text restarts, if it does."""
    publish_record(work.fence, RUNNING, work.number)
    if work.fence.stage == "generate" and work.draft.saved().restarts:
        publish_restart(work.fence.job_id, work.number, work.draft.number)


def publish_skipped(fence: Fence, record: StageRecord) -> None:
    """Publish that a stage had nothing to do."""
    if record.began is not None and record.ended is not None:
        publish_record(fence, RUNNING, record.began)
        publish_record(fence, record, record.ended)


def publish_record(fence: Fence, record: StageRecord, number: int) -> None:
    """Publish a stage's record at the event `number`."""
    data = {"name": fence.stage, **record.stored()}
    publish_event(fence.job_id, Envelope.step("stage", number, data))


def publish_checkpoint(work: Work, record: StageRecord, number: int, spent: Spent) -> None:
    """Publish that a stage is done; after generate, also the job's usage."""
    publish_record(work.fence, record, number)
    if work.fence.stage == "generate":
        cost = {
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "cost_usd": f"{spent.cost_usd:.6f}",
        }
        publish_event(work.fence.job_id, Envelope.step("usage", after_stage(number), cost))


def publish_completed(fence: Fence, persisted: StageRecord) -> None:
    """Publish the end of a job whose answer was stored with the checkpoint of generate."""
    if persisted.began is not None:
        publish_record(replace(fence, stage=PERSIST.stage), RUNNING, persisted.began)
    publish_end(fence.job_id)
