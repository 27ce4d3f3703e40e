"""Submit a job, dispatch its chain, cancel it, retry it. Stages are named by string: none is
imported."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog
from celery import chain, signature
from celery.canvas import Signature
from kombu.exceptions import OperationalError
from sqlalchemy.orm import Session
from structlog.contextvars import get_contextvars

from config.minds import MANAGER, get_minds
from config.outages import outages
from config.settings import get_settings
from models.conversations import Message, create_conversation, hold_conversation
from models.errors import ConversationGone, InvalidRequest, NotFound
from models.ids import new_id
from models.job_options import Options
from models.jobs import STAGES, Job, find_job
from models.lifecycle import endings
from models.lifecycle.admission import place, refuse_retry
from models.lifecycle.after_commit import take_aftermath
from models.lifecycle.deletion import delete_conversation
from models.lifecycle.fence import now
from models.lifecycle.leases import queue_lease, queue_lease_s
from tasks.celery import app
from tasks.events.publisher import publish_end
from tasks.jobs.cancel_channel import announce

TITLE_CHARS: Final = 60

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Submission:
    """What a caller wants answered. No conversation: a new one. No mind: the default one. No
    deadline: the settings' one.

    `previous_id` is the user's job that this one goes on from, in its conversation.
    A caller that may send the same message twice gives it an id of its own, `message_id`; a second
    one fails with IntegrityError, and nothing is accepted.
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


def submit(session: Session, submission: Submission) -> Job:
    """Accept a job: commit it, then publish its chain, best effort.

    The commit is the promise. With the broker away the job is accepted all the same, and the
    reconciler publishes it. Raises InvalidRequest (unknown mind), NotFound (conversation) and
    ConversationBusy.
    """
    job = accept(session, submission)
    session.commit()
    run_after_commit(session)
    publish(job, submission.message)
    return job


def accept(session: Session, submission: Submission) -> Job:
    """Add the user's message and the job to the transaction that the caller commits."""
    mind = known_mind(submission.mind)
    message = add_message(session, submission)
    return add_job(session, submission, message, mind, alone=submission.conversation_id is None)


def add_message(session: Session, submission: Submission) -> Message:
    """Add the user's message to its conversation, which begins with it where there is none.

    The conversation is held from now on. The message comes before its jobs: a second one of the
    same id must fail before it interrupts the first.
    """
    message = Message(
        id=submission.message_id or new_id("msg"),
        conversation_id=_conversation(session, submission),
        role="user",
        content=submission.message,
    )
    session.add(message)
    session.flush()
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
    """Add the job of one mind for a message that is there already. The caller holds its
    conversation; `alone`: it is new, so that nobody can be on the track.

    Raises ConversationBusy.
    """
    return _add(
        session,
        "queued" if alone else place(session, message.conversation_id, mind),
        timedelta(seconds=submission.deadline_s or get_settings().deadline_s),
        user_id=submission.user_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        broadcast_id=broadcast_id,
        previous_id=submission.previous_id,
        mind=mind,
        meta=submission.metadata,
        options=submission.options.to_json(),
    )


def retry(session: Session, user_id: str, job_id: str) -> tuple[Job, str]:
    """Add a new job for the message of one that ended without an answer, with as much time as that
    one had; and the message's text. The caller commits, then publishes.

    It is no sibling of a broadcast's jobs; but who merges their answers does so again. Raises
    NotFound, and a Conflict that says why not.
    """
    job = _owned_job(session, user_id, job_id)
    held = hold_conversation(session, user_id, job.conversation_id or "")
    session.expire(job)  # it may have ended, or lost its message, until now
    job = _owned_job(session, user_id, job_id)
    refuse_retry(session, job)
    message = session.get(Message, job.message_id or "")
    if held is None or message is None:
        raise ConversationGone("The job's conversation or message was deleted.")
    again = _add(
        session,
        place(session, held.id, job.mind),
        job.expires_at - job.created_at,
        user_id=user_id,
        conversation_id=held.id,
        message_id=message.id,
        broadcast_id=job.broadcast_id if job.mind == MANAGER else None,
        mind=job.mind,
        meta=job.meta,
        options=job.options,
        previous_id=job.previous_id,
    )
    return again, message.content


def publish(job: Job, message: str) -> bool:
    """Publish the chain of a job that was accepted just now; its transaction is committed. False:
    the broker is away. One that is behind another is published when that one has ended."""
    log.info("job accepted", job_id=job.id, mind=job.mind, chars=len(message), slot=job.slot)
    if job.slot != "queued":
        return True
    return dispatch(job.id, job.epoch, job.stage, long=is_long(message))


def run_after_commit(session: Session) -> None:
    """Do what follows a commit, best effort: tell who waits and who works that jobs have ended, and
    publish those that were behind them. With the broker away their queue leases run out."""
    after = take_aftermath(session)
    announce(*after.cancelled)
    for job_id in after.ended:
        publish_end(job_id)
    for due in after.released:
        log.info("job released", job_id=due.job_id)
        if not dispatch(due.job_id, due.epoch, due.stage, long=is_long(due.message)):
            return


def cancel(session: Session, user_id: str, job_id: str) -> Job:
    """The user's job, cancelled if it had not ended; commits. The workers are told, best effort.

    What comes back may have ended otherwise, before or meanwhile. Raises NotFound.
    """
    _owned_job(session, user_id, job_id)
    cancelled = endings.cancel(session, job_id)
    session.expire_all()  # whoever lost a race reads what the winner wrote
    job = _owned_job(session, user_id, job_id)
    session.commit()
    run_after_commit(session)
    if cancelled:
        log.info("job cancelled", job_id=job_id, stage=job.stage)
    return job


def forget(session: Session, user_id: str, conversation_id: str) -> None:
    """Delete a user's conversation, its unfinished jobs cancelled; commits. Raises NotFound."""
    if not delete_conversation(session, user_id, conversation_id):
        raise NotFound("There is no such conversation.")
    session.commit()
    run_after_commit(session)
    log.info("conversation deleted", conversation_id=conversation_id)


def dispatch(job_id: str, epoch: int, stage: str, *, long: bool) -> bool:
    """Publish the chain of a job from `stage` on. False: the broker is away, which is logged."""
    try:
        chain_of(job_id, epoch, stage, long=long).apply_async()
    except OperationalError as error:
        outages.note("broker", error)
        log.debug("job kept until the broker is back", job_id=job_id, stage=stage)
        return False
    outages.clear("broker", "publisher")
    return True


def chain_of(job_id: str, epoch: int, stage: str, *, long: bool) -> Signature[Any]:
    """The chain of the stages from `stage` on; its messages carry ids only."""
    rest = STAGES[STAGES.index(stage) :]
    return chain(*(_signature(job_id, epoch, name, long=long) for name in rest), app=app)


def is_long(message: str) -> bool:
    """Whether a message is compressed, which is the cpu worker's business."""
    return len(message) > get_settings().compress_over_chars


def known_mind(mind: str | None, field: str = "mind") -> str:
    """A mind that a caller names; the default one where he names none. Raises InvalidRequest."""
    minds = get_minds()
    if mind is None:
        return minds.default_mind
    if mind not in minds.minds:
        raise InvalidRequest(f"There is no mind {mind!r}; use {' or '.join(minds.minds)}.", field)
    return mind


def title_of(message: str) -> str:
    """What a conversation is called that begins with this message."""
    return message.strip().splitlines()[0][:TITLE_CHARS]


def _signature(job_id: str, epoch: int, stage: str, *, long: bool) -> Signature[Any]:
    return signature(
        stage,
        args=(job_id, epoch),
        immutable=True,
        app=app,
        queue="cpu" if stage == "compress" and long else "llm",
        task_id=f"{job_id}.{epoch}.{stage}",
    )


def _owned_job(session: Session, user_id: str, job_id: str) -> Job:
    job = find_job(session, user_id, job_id)
    if job is None:
        raise NotFound("There is no such job.")
    return job


def _conversation(session: Session, submission: Submission) -> str:
    wanted = submission.conversation_id
    if wanted is None:
        title = title_of(submission.message)
        return create_conversation(session, submission.user_id, title=title).id
    conversation = hold_conversation(session, submission.user_id, wanted)
    if conversation is None:
        raise NotFound(f"There is no conversation {wanted!r}.")
    conversation.updated_at = now()
    return conversation.id


def _add(session: Session, slot: str, time_left: timedelta, **columns: Any) -> Job:
    job = Job(
        id=new_id("job"),
        slot=slot,
        queue_lease_until=now() + queue_lease() if slot == "queued" else None,
        queue_lease_s=queue_lease_s(),
        expires_at=now() + time_left,
        request_id=get_contextvars().get("request_id"),
        **columns,
    )
    session.add(job)
    session.flush()
    return job
