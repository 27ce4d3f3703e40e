"""Publish the chain of a job's stages, best effort; stages are named, none is imported."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import structlog
from kombu.exceptions import OperationalError

from config.outages import outages
from config.settings import get_settings
from models.jobs import FIRST, STAGES
from models.lifecycle.after_commit import PendingDispatch
from tasks.celery import app
from tasks.jobs.message import publish, stage_message, together

log = structlog.get_logger(__name__)


def dispatch_pending(due: PendingDispatch) -> bool:
    """`dispatch` what a transaction has queued."""
    return dispatch(due.job_id, due.epoch, due.stage, long=is_long(due.message), lane=due.lane)


def dispatch_together(due: Sequence[PendingDispatch]) -> None:
    """Publish what a transaction has queued, all of it at once, best effort."""
    try:
        with together() if len(due) > 1 else nullcontext():
            for each in due:
                long = is_long(each.message)
                publish_chain(each.job_id, each.epoch, each.stage, long=long, lane=each.lane)
    except OperationalError as error:
        outages.note("broker", error)
        log.debug("jobs not published", job_ids=[each.job_id for each in due])
        return
    outages.clear("broker", "publisher")


def dispatch(job_id: str, epoch: int, stage: str, *, long: bool, lane: int = FIRST) -> bool:
    """Publish a job's chain from `stage` on. False, and logged, if the broker is unavailable."""
    try:
        publish_chain(job_id, epoch, stage, long=long, lane=lane)
    except OperationalError as error:
        outages.note("broker", error)
        log.debug("job not published", job_id=job_id, stage=stage)
        return False
    outages.clear("broker", "publisher")
    return True


def publish_chain(
    job_id: str,
    epoch: int,
    stage: str,
    *,
    long: bool,
    lane: int = FIRST,
    queue: str | None = None,
) -> None:
    """Publish the message of `stage`, with the chain of the stages after it. It carries ids only.

    It is the message that Celery's `chain` publishes, which takes three times as long: it copies,
    merges and freezes a signature for each stage. `lane` is the message's priority: kombu keeps a
    list for each in Redis, and a worker takes the lowest first. `queue` replaces the stage's own.
    Raises OperationalError.
    """
    first, *rest = STAGES[STAGES.index(stage) :]
    chain = [_signature(job_id, epoch, name, long=long, lane=lane) for name in reversed(rest)]
    message = stage_message(_task_id(job_id, epoch, first), first, (job_id, epoch), chain)
    publish(message, queue or _queue(first, long=long), lane)


def is_long(message: str) -> bool:
    """Whether a message is compressed, and so goes to the cpu worker."""
    return len(message) > get_settings().compress_over_chars


def _signature(job_id: str, epoch: int, stage: str, *, long: bool, lane: int) -> dict[str, Any]:
    """What a message says of a later stage: Celery's `Signature` as JSON."""
    task_id = _task_id(job_id, epoch, stage)
    options: dict[str, Any] = {"queue": _queue(stage, long=long), "task_id": task_id}
    if lane != FIRST:
        options["priority"] = lane
    return {
        "task": stage,
        "args": (job_id, epoch),
        "kwargs": {},
        "options": options | {"reply_to": app.thread_oid},
        "subtask_type": None,
        "immutable": True,
    }


def _queue(stage: str, *, long: bool) -> str:
    return "cpu" if stage == "compress" and long else "llm"


def _task_id(job_id: str, epoch: int, stage: str) -> str:
    return f"{job_id}.{epoch}.{stage}"
