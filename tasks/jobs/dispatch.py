"""Publish the chain of a job's stages, best effort; stages are named, none is imported."""

from typing import Any

import structlog
from kombu.exceptions import OperationalError

from config.outages import outages
from config.settings import get_settings
from models.jobs import STAGES
from tasks.celery import app
from tasks.jobs.message import publish, stage_message

log = structlog.get_logger(__name__)


def dispatch(job_id: str, epoch: int, stage: str, *, long: bool) -> bool:
    """Publish a job's chain from `stage` on. False, and logged, if the broker is unavailable."""
    try:
        publish_chain(job_id, epoch, stage, long=long)
    except OperationalError as error:
        outages.note("broker", error)
        log.debug("job not published", job_id=job_id, stage=stage)
        return False
    outages.clear("broker", "publisher")
    return True


def publish_chain(
    job_id: str, epoch: int, stage: str, *, long: bool, queue: str | None = None
) -> None:
    """Publish the message of `stage`, with the chain of the stages after it. It carries ids only.

    It is the message that Celery's `chain` publishes, which takes three times as long: it copies,
    merges and freezes a signature for each stage. `queue` replaces the stage's own. Raises
    OperationalError.
    """
    first, *rest = STAGES[STAGES.index(stage) :]
    chain = [_signature(job_id, epoch, name, long=long) for name in reversed(rest)]
    message = stage_message(_task_id(job_id, epoch, first), first, (job_id, epoch), chain)
    publish(message, queue or _queue(first, long=long))


def is_long(message: str) -> bool:
    """Whether a message is compressed, and so goes to the cpu worker."""
    return len(message) > get_settings().compress_over_chars


def _signature(job_id: str, epoch: int, stage: str, *, long: bool) -> dict[str, Any]:
    """What a message says of a later stage: Celery's `Signature` as JSON."""
    options = {"queue": _queue(stage, long=long), "task_id": _task_id(job_id, epoch, stage)}
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
