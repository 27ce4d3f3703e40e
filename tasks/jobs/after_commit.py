"""What this process does after a commit that accepted or ended jobs. Best effort: readers poll the
rows, fences stop the workers, and the reconciler dispatches jobs whose queue lease ran out."""

import structlog

from models.jobs import priority_of
from models.lifecycle.after_commit import AfterCommit, register_after_commit
from tasks.events.publisher import publish_end
from tasks.jobs.cancel_channel import announce
from tasks.jobs.dispatch import dispatch_together
from tasks.metrics.declared import JOBS_ACCEPTED
from tasks.webhooks.dispatch import dispatch_webhooks

log = structlog.get_logger(__name__)


def register() -> None:
    """Make it follow every commit of this process; each process that changes jobs calls it once."""
    register_after_commit(_announce_cancelled, _publish_ends, _dispatch, _notify)


def _announce_cancelled(after: AfterCommit) -> None:
    announce(*after.cancelled)


def _publish_ends(after: AfterCommit) -> None:
    for job_id in after.ended:
        publish_end(job_id)


def _dispatch(after: AfterCommit) -> None:
    for job in after.released:
        log.info("job released", job_id=job.job_id)
    for new in after.accepted:
        JOBS_ACCEPTED.add(priority_of(new.lane))
        log.info(
            "job accepted",
            job_id=new.job_id,
            conversation_id=new.conversation_id,
            mind=new.mind,
            chars=len(new.message),
            slot=new.slot,
        )
    queued = [new for new in after.accepted if new.slot == "queued"]
    if due := [*after.released, *queued]:
        dispatch_together(due)


def _notify(after: AfterCommit) -> None:
    dispatch_webhooks(after.webhooks)
