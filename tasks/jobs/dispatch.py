"""Publish the chain of a job's stages, best effort; stages are named, none is imported."""

from typing import Any

import structlog
from celery import chain, signature
from celery.canvas import Signature
from kombu.exceptions import OperationalError

from config.outages import outages
from config.settings import get_settings
from models.jobs import STAGES
from tasks.celery import app

log = structlog.get_logger(__name__)


def dispatch(job_id: str, epoch: int, stage: str, *, long: bool) -> bool:
    """Publish a job's chain from `stage` on. False, and logged, if the broker is unavailable."""
    try:
        chain_of(job_id, epoch, stage, long=long).apply_async()
    except OperationalError as error:
        outages.note("broker", error)
        log.debug("job not published", job_id=job_id, stage=stage)
        return False
    outages.clear("broker", "publisher")
    return True


def chain_of(job_id: str, epoch: int, stage: str, *, long: bool) -> Signature[Any]:
    """The chain of the stages from `stage` on. Its messages carry ids only."""
    rest = STAGES[STAGES.index(stage) :]
    return chain(*(_signature(job_id, epoch, name, long=long) for name in rest), app=app)


def is_long(message: str) -> bool:
    """Whether a message is compressed, and so goes to the cpu worker."""
    return len(message) > get_settings().compress_over_chars


def _signature(job_id: str, epoch: int, stage: str, *, long: bool) -> Signature[Any]:
    return signature(
        stage,
        args=(job_id, epoch),
        immutable=True,
        app=app,
        queue="cpu" if stage == "compress" and long else "llm",
        task_id=f"{job_id}.{epoch}.{stage}",
    )
