"""What a stage tells of itself: that it began, how it ended, and what an answer cost."""

from typing import Any

from models.lifecycle.event_numbers import after_stage
from models.spent import Spent
from tasks.events.envelope import Envelope
from tasks.events.publisher import publish_event, publish_text
from tasks.execution.work import Work


def publish_begun(work: Work) -> None:
    """Tell that a stage runs; and, of a text that begins anew, that it does."""
    line = {"name": work.fence.stage, "status": "running"}
    publish_event(work.fence.job_id, Envelope.step("stage", work.number, line))
    if work.fence.stage == "generate" and work.draft.saved().restarts:
        publish_text(work.fence.job_id, None, work.number, work.draft.number)


def publish_line(work: Work, line: dict[str, Any]) -> None:
    """Tell how a stage ended, or that it waits."""
    named = {"name": work.fence.stage, **line}
    publish_event(work.fence.job_id, Envelope.step("stage", line["ended"], named))


def publish_checkpoint(work: Work, line: dict[str, Any], spent: Spent) -> None:
    """Tell that a stage is done; and with an answer, what the job has cost."""
    publish_line(work, line)
    if work.fence.stage == "generate":
        cost = {
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "cost_usd": f"{spent.cost_usd:.6f}",
        }
        publish_event(work.fence.job_id, Envelope.step("usage", after_stage(line["ended"]), cost))
