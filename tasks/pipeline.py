"""Submit a job, dispatch its chain, cancel it. Stages are named by string: none is imported."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog
from celery import chain, signature
from celery.canvas import Signature
from kombu.exceptions import OperationalError
from sqlalchemy.orm import Session

from config.minds import get_minds
from config.settings import get_settings
from models import endings
from models.conversations import Message, create_conversation, find_conversation
from models.errors import InvalidRequest, NotFound
from models.fence import now
from models.ids import new_id
from models.jobs import STAGES, Job, find_job
from models.leases import queue_lease, queue_lease_s
from models.options import Options
from tasks.celery import app
from tasks.stop import announce
from tasks.teller import tell_end

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
    reconciler publishes it. Raises InvalidRequest (unknown mind) and NotFound (conversation).
    """
    job = accept(session, submission)
    session.commit()
    publish(job, submission.message)
    return job


def accept(session: Session, submission: Submission) -> Job:
    """Add the user's message and the job to the transaction that the caller commits."""
    mind = known_mind(submission.mind)
    return add_job(session, submission, add_message(session, submission), mind)


def add_message(session: Session, submission: Submission) -> Message:
    """Add the user's message to its conversation, which begins with it where there is none."""
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
) -> Job:
    """Add the job of one mind for a message that is there already."""
    job = Job(
        id=new_id("job"),
        user_id=submission.user_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        broadcast_id=broadcast_id,
        previous_id=submission.previous_id,
        mind=mind,
        meta=submission.metadata,
        options=submission.options.to_json(),
        queue_lease_until=now() + queue_lease(),
        queue_lease_s=queue_lease_s(),
        expires_at=now() + timedelta(seconds=submission.deadline_s or get_settings().deadline_s),
    )
    session.add(job)
    session.flush()
    return job


def publish(job: Job, message: str) -> bool:
    """Publish the chain of a job that was accepted just now; its transaction is committed. False:
    the broker is away."""
    log.info("job accepted", job_id=job.id, mind=job.mind, chars=len(message))
    return dispatch(job.id, job.epoch, job.stage, long=is_long(message))


def cancel(session: Session, user_id: str, job_id: str) -> Job:
    """The user's job, cancelled if it had not ended; commits. The workers are told, best effort.

    What comes back may have ended otherwise, before or meanwhile. Raises NotFound.
    """
    _owned_job(session, user_id, job_id)
    cancelled = endings.cancel(session, job_id)
    session.expire_all()  # whoever lost a race reads what the winner wrote
    job = _owned_job(session, user_id, job_id)
    session.commit()
    if cancelled:
        log.info("job cancelled", job_id=job_id, stage=job.stage)
        tell_cancelled(job_id)
    return job


def tell_cancelled(*job_ids: str) -> None:
    """Tell the workers and whoever follows that these jobs were cancelled, best effort."""
    announce(*job_ids)
    for job_id in job_ids:
        tell_end(job_id)


def dispatch(job_id: str, epoch: int, stage: str, *, long: bool) -> bool:
    """Publish the chain of a job from `stage` on. False: the broker is away, which is logged."""
    try:
        chain_of(job_id, epoch, stage, long=long).apply_async()
    except OperationalError as error:
        log.warning("broker away, job kept", job_id=job_id, stage=stage, error=str(error))
        return False
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
    conversation = find_conversation(session, submission.user_id, wanted)
    if conversation is None:
        raise NotFound(f"There is no conversation {wanted!r}.")
    conversation.updated_at = now()
    return conversation.id
