"""What is counted of a run of a stage."""

from models.ids import age_of
from models.lifecycle.fence import Fence
from models.stage_record import StageRecord
from tasks.metrics.declared import COMPRESSIONS, JOB_SECONDS, STAGE_RETRIES, STAGE_SECONDS
from tasks.policies import COMPRESS, PERSIST


def count_finished(fence: Fence, record: StageRecord, ms: int) -> None:
    """Count a stage that is done, and the job if it was the last one."""
    STAGE_SECONDS.observe(ms / 1000, fence.stage, record.status)
    if fence.stage == PERSIST.stage:
        JOB_SECONDS.observe(age_of(fence.job_id))
    elif fence.stage == COMPRESS.stage and record.compressor is not None:
        outcome = {"completed": "shortened", "degraded": "failed"}.get(record.status, "no_gain")
        COMPRESSIONS.add(record.compressor, outcome)


def count_retry(fence: Fence, code: str, ms: int) -> None:
    """Count a run that failed, and is to be tried again."""
    STAGE_SECONDS.observe(ms / 1000, fence.stage, "waiting")
    STAGE_RETRIES.add(fence.stage, code)


def count_failure(fence: Fence, ms: int) -> None:
    """Count a run that has failed its job."""
    STAGE_SECONDS.observe(ms / 1000, fence.stage, "failed")
