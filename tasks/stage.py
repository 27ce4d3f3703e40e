"""`@stage(policy)`: a Celery task that begins, works, checkpoints, and tells Flower the truth.

The database decides what happens; the chain's messages only ask. How a task ends:
dropped, stale or cancelled: succeeded, its chain cut; waiting: retried, nothing published;
job failed: failed. Never Ignore, which Flower shows as started for ever.
"""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
from celery import Task
from celery.exceptions import Retry
from structlog.contextvars import bound_contextvars

from models import transitions
from models.errors import CircuitOpen, DatabaseUnavailable, JobFailed, Superseded
from models.transitions import Fence
from tasks.celery import app
from tasks.heartbeat import beating, stopping
from tasks.policies import LOAD_PATIENCE_S, Policy
from tasks.resilience.database import patiently
from tasks.resilience.decision import Again, GiveUp, decide
from tasks.work import Outcome, Work, load

log = structlog.get_logger(__name__)

Body = Callable[[Work], Outcome]


def stage(policy: Policy) -> Callable[[Body], Task]:
    """Make a stage's body the Celery task of its name."""

    def decorate(body: Body) -> Task:
        @app.task(
            name=policy.stage,
            bind=True,
            throws=(JobFailed,),
            soft_time_limit=policy.soft_limit_s,
        )
        def run(self: Task, job_id: str, epoch: int) -> None:
            fence = Fence(job_id, epoch, policy.stage, uuid4())
            with bound_contextvars(job_id=job_id, epoch=epoch, stage=policy.stage):
                execute(self, policy, body, fence)

        return run

    return decorate


def execute(task: Task, policy: Policy, body: Body, fence: Fence) -> None:
    """One delivery of one message, from begin to checkpoint."""
    work = _begin(task, fence)
    if work is None:
        return
    began = time.monotonic()
    try:
        with beating(work):
            outcome = body(work)
    except Superseded:
        _drop(task, "superseded")
    except Exception as error:  # noqa: BLE001 (the seam: whatever fails becomes a wait or a code)
        _settle(policy, work, error, _ms(began))
    else:
        _checkpoint(task, work, outcome, _ms(began))


def _begin(task: Task, fence: Fence) -> Work | None:
    until = time.monotonic() + LOAD_PATIENCE_S
    try:
        work = patiently(lambda session: load(session, fence), until, stopping)
    except (DatabaseUnavailable, CircuitOpen) as error:
        # Nothing can be written down. The job is queued in the database, whose lease runs out.
        _drop(task, "database away")
        log.warning("stage left to the reconciler", error=str(error))
        return None
    if work is None:
        _drop(task, "nothing to begin")
        return None
    log.info("stage started", attempt=work.attempts + 1)
    return work


def _checkpoint(task: Task, work: Work, outcome: Outcome, ms: int) -> None:
    line = {"status": outcome.status, "ms": ms, **outcome.line}
    if not outcome.stored and not _write(
        work, lambda session: transitions.checkpoint(session, work.fence, line, outcome.columns)
    ):
        _drop(task, "superseded")
        return
    log.info("stage finished", **line)


def _settle(policy: Policy, work: Work, error: Exception, ms: int) -> None:
    decision = decide(error, policy, work.attempts, random.random())  # noqa: S311 (jitter)
    if isinstance(decision, Again):
        _wait(work, decision, error)
    else:
        _fail(work, decision, error, ms)


def _wait(work: Work, again: Again, error: Exception) -> None:
    delay = timedelta(seconds=again.delay_s)
    _write(
        work,
        lambda session: transitions.wait(session, work.fence, delay, counts=again.counts),
    )
    log.warning("stage waits", delay_s=round(again.delay_s, 1), error=str(error))
    raise Retry(f"waits {again.delay_s:.1f} s", error)


def _fail(work: Work, end: GiveUp, error: Exception, ms: int) -> None:
    line = {"status": "failed", "ms": ms, "code": end.code}
    _write(
        work,
        lambda session: transitions.fail(session, work.fence, end.code, end.message, line),
    )
    log.error("job failed", code=end.code, exc_info=error if end.code == "internal" else None)
    raise JobFailed(f"{end.code}: {end.message}") from error


def _write(work: Work, change: Callable[[Any], bool]) -> bool:
    return patiently(change, work.deadline, stopping)


def _drop(task: Task, why: str) -> None:
    """End the chain here: this message has nothing more to say."""
    task.request.chain = None
    log.info("message dropped", why=why)


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
