"""`@stage(policy)`: a Celery task that begins, works, checkpoints, and shows its true state.

The database decides what happens; a message is only a request. How Flower shows a task: dropped,
stale or cancelled as succeeded, with its chain cut; waiting as retried, with nothing published; a
failed job as failed. Never raise Ignore: Flower shows it as started for ever.
"""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

import structlog
from celery import Task
from celery.exceptions import Retry
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from models.conflicts import JobFailed
from models.errors import (
    BudgetExceeded,
    CircuitOpen,
    DatabaseUnavailable,
    Internal,
    ProviderMisconfigured,
    Superseded,
)
from models.jobs import after
from models.lifecycle.after_commit import AfterCommit, run_handlers
from models.lifecycle.endings import fail
from models.lifecycle.event_numbers import after_stage, last_of, next_number
from models.lifecycle.fence import Fence
from models.lifecycle.ownership import Adopted, adopt
from models.lifecycle.transitions import checkpoint, end_hopeless, wait
from models.spent import NOTHING, Spent, add_late
from models.stage_record import StageRecord
from models.statement import Runner
from tasks.celery import app
from tasks.execution import failpoints
from tasks.execution.further_calls import reserve_within
from tasks.execution.handover import Handover, Stored, plan
from tasks.execution.heartbeat import beating, release
from tasks.execution.hop import accept, hop, stages_here
from tasks.execution.precedence import precedence
from tasks.execution.stage_events import (
    publish_begun,
    publish_checkpoint,
    publish_completed,
    publish_record,
    publish_skipped,
)
from tasks.execution.stage_metrics import count_failure, count_finished, count_retry
from tasks.execution.stage_span import stage_span
from tasks.execution.work import Outcome, Work, load
from tasks.jobs.dispatch import dispatch, is_long
from tasks.policies import DELIVER, LOAD_PATIENCE_S, Policy
from tasks.resilience.retry_decision import Again, GiveUp, decide
from tasks.resilience.transaction import run_statements_with_retry, run_transaction_with_retry
from tasks.tracing.spans import current_span

log = structlog.get_logger(__name__)

T = TypeVar("T")
Body = Callable[[Work], Outcome]


def stage(policy: Policy) -> Callable[[Body], Task]:
    """Make a stage's body a Celery task, named after the stage."""

    def decorate(body: Body) -> Task:
        @app.task(
            name=policy.stage,
            base=failpoints.task_class(),
            bind=True,
            throws=(JobFailed,),
            soft_time_limit=policy.soft_limit_s,
        )
        def run(self: Task, job_id: str, epoch: int) -> None:
            fence = Fence(job_id, epoch, policy.stage, uuid4())
            handover = accept(fence)
            with bound_contextvars(job_id=job_id, epoch=epoch, stage=policy.stage):
                if handover is not None and handover.done:
                    _pass_on(self, handover)
                else:
                    begun = None if handover is None else handover.begun
                    execute(self, policy, body, fence, begun)

        return run

    return decorate


def execute(
    task: Task, policy: Policy, body: Body, fence: Fence, begun: Work | None = None
) -> None:
    """Process one delivery of one message, from begin to checkpoint. `begun`: the stage before has
    begun this one."""
    failpoints.point(fence.stage, "before_begin")
    work = begun or _begin(task, policy, fence)
    if work is None:
        return
    with bound_contextvars(**work.named):
        if work.is_late:
            release(work)
            _drop(task, "begun too late")
            return
        failpoints.point(fence.stage, "after_begin")
        with stage_span(work):
            _execute(task, policy, body, work)


def _execute(task: Task, policy: Policy, body: Body, work: Work) -> None:
    log.info("stage started", attempt=work.attempts + 1)
    try:
        with beating(work):
            publish_begun(work)
            outcome = body(work)
            handover = None if outcome.stored else _checkpoint(task, work, outcome)
            failpoints.point(work.fence.stage, "after_checkpoint")
            hop(task.request, handover)
    except Superseded as error:
        _drop_late(task, work, str(error))
    except Exception as error:  # noqa: BLE001 (boundary: every failure becomes a wait or a code)
        _settle(task, policy, work, error)
    else:
        log.info("stage finished", ms=work.ms, **outcome.record.stored())
        count_finished(work.fence, outcome.record, work.ms)


def _pass_on(task: Task, handover: Handover) -> None:
    """Process the delivery of a stage that the checkpoint before it has done as well."""
    stage, record = handover.done[0].stage, handover.done[0].record
    with bound_contextvars(**handover.work.named), stage_span(handover.work, stage):
        log.info("stage started", attempt=1)
        for point in ("before_begin", "after_begin", "before_checkpoint", "after_checkpoint"):
            failpoints.point(stage, point)
        try:
            if handover.begun is not None:  # else the job has ended, which is published
                publish_skipped(replace(handover.work.fence, stage=stage), record)
        finally:
            hop(task.request, handover.rest)
        log.info("stage finished", **replace(record, began=None, ended=None).stored())
        count_finished(replace(handover.work.fence, stage=stage), record, 0)


def _begin(task: Task, policy: Policy, fence: Fence) -> Work | None:
    precedence.give_way()
    until = time.monotonic() + LOAD_PATIENCE_S
    try:
        work = run_statements_with_retry(lambda each: load(each, fence, policy.run_limit_s), until)
        if work is None:
            run_transaction_with_retry(lambda session: end_hopeless(session, fence), until)
    except (DatabaseUnavailable, CircuitOpen) as error:
        # Nothing can be stored. The job is still queued in the database, and its lease will expire.
        _drop(task, f"database unavailable: {error}")
        return None
    if work is None:
        _drop(task, "nothing to begin")
    return work


def _checkpoint(task: Task, work: Work, outcome: Outcome) -> Handover | None:
    """Store the result of a stage. Returns what this has begun of the chain's further stages."""
    number = work.end_number
    record = work.ended(outcome.record, number)
    planned = plan(work, outcome, last_of(work.fence.stage, number), stages_here(task.request))
    failpoints.point(work.fence.stage, "before_checkpoint")

    def store(connection: Runner) -> Stored | None:
        for each in planned:
            if (handed := each.store(connection, work, outcome, record)) is not None:
                return handed
        spent = _store(connection, work, work.fence, outcome, record, number)
        return None if spent is None else Stored(spent)

    precedence.give_way()
    stored = run_statements_with_retry(store, work.deadline)
    if stored is None:
        _adopt_result(task, work, outcome)
        return None
    if stored.webhooks:
        failpoints.point(DELIVER.task, "before_publish")
    if stored.released or stored.webhooks:
        webhooks = list(stored.webhooks)
        run_handlers(AfterCommit(released=list(stored.released), webhooks=webhooks))
    publish_checkpoint(work, record, number, stored.spent)
    if stored.handover is not None and stored.handover.begun is None:
        publish_completed(work.fence, stored.handover.done[-1].record)
    return stored.handover


def _store(
    connection: Runner, work: Work, fence: Fence, outcome: Outcome, record: StageRecord, number: int
) -> Spent | None:
    """Checkpoint. The stage ends with the event `number`."""
    last = last_of(fence.stage, number)
    return checkpoint(connection, fence, record, outcome.columns, last, work.bill.spent)


def _adopt_result(task: Task, work: Work, outcome: Outcome) -> None:
    """Store the result of a run whose lease had expired, unless another run has begun."""
    adopted = _write(work, lambda session: _adopt(session, work, outcome))
    if adopted is None:
        raise Superseded("another run has begun, or the job has ended")
    log.info("result adopted", epoch=adopted.epoch)
    task.request.chain = None
    stage_after = after(work.fence.stage)
    if stage_after is not None:
        long = is_long(work.message)
        dispatch(work.fence.job_id, adopted.epoch, stage_after, long=long, lane=adopted.lane)


def _adopt(session: Session, work: Work, outcome: Outcome) -> Adopted | None:
    adopted = adopt(session, work.fence, work.starts)
    if adopted is not None:
        number = next_number(adopted.sequence)
        fence = replace(work.fence, epoch=adopted.epoch)
        _store(session, work, fence, outcome, work.ended(outcome.record, number), number)
    return adopted


def _settle(task: Task, policy: Policy, work: Work, error: Exception) -> None:
    jitter = random.random()  # noqa: S311 (jitter)
    misconfigured = work.bill.most_calls(ProviderMisconfigured.code)
    pinned = work.options.model is not None
    decision = decide(error, policy, work.attempts, jitter, misconfigured, pinned=pinned)
    if isinstance(decision, Again):
        _wait(task, work, decision, error)
    else:
        _fail(task, work, decision, error)


def _wait(task: Task, work: Work, again: Again, error: Exception) -> None:
    delay = timedelta(seconds=again.delay_s)
    code = getattr(error, "code", Internal.code)
    number = work.end_number
    waiting = StageRecord(status="pending", reason=code, text=bool(work.draft.text) or None)
    record = work.ended(waiting, number)

    def give_back(session: Session) -> bool:
        spent = work.bill.spent
        reserve_within(session, work)
        return wait(session, work.fence, delay, record, number, spent, counts=again.counts)

    try:
        waits = _write(work, give_back)
    except BudgetExceeded as exceeded:
        _fail(task, work, GiveUp(exceeded.code, exceeded.message), error)
        return
    if not waits:
        _drop_late(task, work, "superseded while failing")
        return
    publish_record(work.fence, record, number)
    count_retry(work.fence, code, work.ms)
    current_span().fail(code)
    log.warning("stage waits", delay_s=round(again.delay_s, 1), error=str(error))
    raise Retry(f"waits {again.delay_s:.1f} s", error)


def _fail(task: Task, work: Work, end: GiveUp, error: Exception) -> None:
    number = work.end_number
    record = work.ended(StageRecord(status="failed", code=end.code), number)

    def end_job(session: Session) -> bool:
        spent = work.bill.spent
        return fail(session, work.fence, end.code, end.message, record, after_stage(number), spent)

    if not _write(work, end_job):
        _drop_late(task, work, "superseded while failing")
        return
    count_failure(work.fence, work.ms)
    current_span().fail(end.code)
    log.error("job failed", code=end.code, exc_info=error if end.code == Internal.code else None)
    raise JobFailed(f"{end.code}: {end.message}") from error


def _write(work: Work, change: Callable[[Session], T]) -> T:
    return run_transaction_with_retry(change, work.deadline)


def _drop_late(task: Task, work: Work, why: str) -> None:
    """Drop a run that no longer owns its stage, and add its costs to the receipt."""
    _drop(task, why)
    spent = work.bill.spent
    if spent == NOTHING:
        return
    try:
        _write(work, lambda session: add_late(session, work.fence, work.number, spent))
    except (DatabaseUnavailable, CircuitOpen) as error:
        log.warning("costs not stored", error=str(error), cost_usd=str(spent.cost_usd))


def _drop(task: Task, why: str) -> None:
    """Ignore the message and cut its chain."""
    task.request.chain = None
    log.info("message dropped", why=why)
