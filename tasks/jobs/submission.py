"""Accept a job: add it and its message to a transaction. The caller commits, then publishes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session
from structlog.contextvars import get_contextvars

from config.minds import get_minds, usable_models
from config.settings import get_settings
from models.conversations import Message, title_of
from models.errors import InvalidRequest, NotFound
from models.idempotency import Claim
from models.ids import new_id
from models.job_options import Options
from models.jobs import PRIORITIES, Job, lane_of
from models.lifecycle import acceptance
from models.lifecycle.admission import admit
from models.lifecycle.after_commit import AcceptedJob, AfterCommit, after_commit, run_handlers
from models.session import statements
from tasks.jobs.budgets import limit_of, reservation
from tasks.tracing.spans import current_span

ClaimOf = Callable[[Job], Claim]
FollowUp = Callable[[Callable[[], None]], object]


@dataclass(frozen=True)
class Submission:
    """A message to answer. By default in a new conversation, by the default mind, and with the
    deadline of the settings.

    `previous_id` is the user's job that this one continues, in its conversation. `webhook_url` is
    notified of its end. A caller that may send the same message twice sets `message_id`: the second
    time fails with IntegrityError, and nothing is accepted.
    """

    user_id: str
    message: str
    conversation_id: str | None = None
    mind: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    deadline_s: int | None = None
    options: Options = field(default_factory=Options)
    message_id: str | None = None
    previous_id: str | None = None
    priority: str = PRIORITIES[0]
    webhook_url: str | None = None


def accept(session: Session, submission: Submission) -> Job:
    """Add the user's message and its job to the transaction that the caller commits.

    The commit is the promise; the chain is published after it, best effort. Without a broker the
    reconciler publishes it. Returns the job as it was inserted, outside of the session. Raises
    InvalidRequest (unknown mind), NotFound (conversation), ConversationBusy and BudgetExceeded.
    """
    mind = known_mind(submission.mind)
    if submission.conversation_id is not None:
        return add_job(session, submission, add_message(session, submission), mind)
    message = _message_of(submission)
    title, columns = title_of(submission.message), _columns(submission, mind) | _identity()
    columns |= reservation(session, submission.message, columns, first=True)
    job = acceptance.add_first_job(session, title, message, _time_left(submission), **columns)
    return _note(session, job, message)


def accept_first(
    submission: Submission, follow_up: FollowUp, claim_of: ClaimOf | None = None
) -> Job | None:
    """Accept a message that begins a conversation, by one statement that is a transaction of its
    own.

    Args:
        follow_up: gets what follows a commit, the publishing of the chain, to do it now or soon.
        claim_of: returns what is stored with the key of the request.

    None, and nothing was accepted: the key (`models.lifecycle.acceptance.claim_first_job`) is taken
    or locked, or the user has a budget, from which `accept` reserves. Raises InvalidRequest
    (unknown mind) and DatabaseUnavailable.
    """
    mind = known_mind(submission.mind)
    if limit_of(submission.user_id) is not None:
        return None
    columns = _columns(submission, mind) | _identity()
    message, title = _message_of(submission), title_of(submission.message)
    what = (title, message, _time_left(submission))
    with statements() as connection:
        if claim_of is None:
            job: Job | None = acceptance.add_first_job(connection, *what, **columns)
        else:
            job = acceptance.claim_first_job(connection, claim_of, *what, **columns)
    if job is not None:
        follow_up(partial(run_handlers, AfterCommit(accepted=[_accepted(job, message)])))
    return job


def add_message(session: Session, submission: Submission) -> Message:
    """Add the user's message to its conversation, which is created if none is given.

    The conversation is locked from now on. The message is inserted before its jobs, so that a
    duplicate fails before it interrupts the first one. Raises NotFound.
    """
    message, user_id = _message_of(submission), submission.user_id
    if submission.conversation_id is None:
        acceptance.add_first_message(session, user_id, title_of(submission.message), message)
    elif not acceptance.add_further_message(session, user_id, message):
        raise NotFound(f"No such conversation: {submission.conversation_id!r}.")
    return message


def add_job(
    session: Session,
    submission: Submission,
    message: Message,
    mind: str,
    broadcast_id: str | None = None,
    *,
    alone: bool = False,
) -> Job:
    """Add one mind's job for an existing message, whose conversation the caller has locked.

    `alone`: the conversation is new, so that no other job can be on the track. Raises
    ConversationBusy and BudgetExceeded.
    """
    slot = "queued" if alone else admit(session, message.conversation_id, mind)
    columns = _columns(submission, mind, broadcast_id)
    return insert_job(session, message, slot, _time_left(submission), first=alone, **columns)


def known_mind(mind: str | None, field: str = "mind") -> str:
    """The mind of this name; the default one for None. Raises InvalidRequest if it is unknown."""
    minds = get_minds()
    if mind is None:
        return minds.default_mind
    if mind not in minds.minds:
        raise InvalidRequest(f"No such mind: {mind!r}. Use {' or '.join(minds.minds)}.", field)
    return mind


def known_model(model: str | None) -> str | None:
    """The model of this name; None for None. Raises InvalidRequest if no route has it, or this
    server has no key for it."""
    if model is None:
        return None
    models = usable_models(get_minds(), get_settings())
    if model not in models:
        raise InvalidRequest(f"No such model: {model!r}. Use {' or '.join(models)}.", "model")
    return model


def insert_job(
    session: Session,
    message: Message,
    slot: str,
    time_left: timedelta,
    *,
    first: bool = False,
    **columns: Any,
) -> Job:
    """Insert a job in this slot, with its deadline after `time_left`; its chain is published after
    the commit. `first`: the conversation is new. Raises BudgetExceeded."""
    columns |= reservation(session, message.content, columns, first=first)
    job = acceptance.add_job(session, message, slot, time_left, **columns, **_identity())
    return _note(session, job, message)


def _identity() -> dict[str, str | None]:
    return {
        "id": new_id("job"),
        "request_id": get_contextvars().get("request_id"),
        "traceparent": current_span().traceparent,
    }


def _message_of(submission: Submission) -> Message:
    return Message(
        id=submission.message_id or new_id("msg"),
        conversation_id=submission.conversation_id or new_id("conv"),
        content=submission.message,
    )


def _columns(submission: Submission, mind: str, broadcast_id: str | None = None) -> dict[str, Any]:
    return {
        "user_id": submission.user_id,
        "broadcast_id": broadcast_id,
        "previous_id": submission.previous_id,
        "mind": mind,
        "metadata": submission.metadata,
        "options": submission.options.to_json(),
        "lane": lane_of(submission.priority),
        "webhook_url": submission.webhook_url,
    }


def _time_left(submission: Submission) -> timedelta:
    return timedelta(seconds=submission.deadline_s or get_settings().deadline_s)


def _note(session: Session, job: Job, message: Message) -> Job:
    """Note what follows the commit."""
    after_commit(session).accepted.append(_accepted(job, message))
    return job


def _accepted(job: Job, message: Message) -> AcceptedJob:
    slot = job.slot or ""  # never None in a new job
    current_span().set({"trimind.job_id": job.id})
    due = (job.id, job.epoch, job.stage, message.content, job.lane)
    return AcceptedJob(*due, job.mind, slot, job.conversation_id)
