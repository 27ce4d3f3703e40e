"""The span of a run of a stage, in the trace of the request that created its job."""

from tasks.execution.work import Work
from tasks.tracing.recorder import begin_span
from tasks.tracing.spans import Attribute, Span


def stage_span(work: Work, done: str | None = None) -> Span:
    """Begin the span of a run. `done`: a later stage that the run's checkpoint has done as well."""
    attributes: dict[str, Attribute] = {
        "trimind.job_id": work.fence.job_id,
        "trimind.epoch": work.fence.epoch,
        "trimind.attempt": 1 if done else work.attempts + 1,
    }
    return begin_span(done or work.fence.stage, "consumer", work.traceparent, attributes)
