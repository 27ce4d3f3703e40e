"""Accept a job: add it and its message to a transaction. The caller commits, then publishes."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.orm import Session
from structlog.contextvars import get_contextvars

from config.minds import get_minds
from config.settings import get_settings
from models.conversations import Message, create_conversation, lock_conversation
from models.errors import InvalidRequest, NotFound
from models.ids import new_id
from models.job_options import Options
from models.jobs import Job
from models.lifecycle.admission import admit
from models.lifecycle.after_commit import AcceptedJob, after_commit
from models.lifecycle.fence import now
from models.lifecycle.leases import queue_lease, queue_lease_s

TITLE_CHARS: Final = 60


@dataclass(frozen=True)
class Submission:
    """A message to answer. By default in a new conversation, by the default mind, and with the
    deadline of the settings.

    `previous_id` is the user's job that this one continues, in its conversation. A caller that may
    send the same message twice sets `message_id`: the second time fails with IntegrityError, and
    nothing is accepted.
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


def accept(session: Session, submission: Submission) -> Job:
    """Add the user's message and its job to the transaction that the caller commits.

    The commit is the promise; the chain is published after it, best effort. Without a broker the
    reconciler publishes it. Raises InvalidRequest (unknown mind), NotFound (conversation) and
    ConversationBusy.
    """
    mind = known_mind(submission.mind)
    message = add_message(session, submission)
    return add_job(session, submission, message, mind, alone=submission.conversation_id is None)


def add_message(session: Session, submission: Submission) -> Message:
    """Add the user's message to its conversation, which is created if none is given.

    The conversation is locked from now on. The message is inserted before its jobs, so that a
    duplicate fails before it interrupts the first one.
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
    """Add one mind's job for an existing message, whose conversation the caller has locked.

    `alone`: the conversation is new, so that no other job can be on the track. Raises
    ConversationBusy.
    """
    return insert_job(
        session,
        message,
        "queued" if alone else admit(session, message.conversation_id, mind),
        timedelta(seconds=submission.deadline_s or get_settings().deadline_s),
        user_id=submission.user_id,
        broadcast_id=broadcast_id,
        previous_id=submission.previous_id,
        mind=mind,
        meta=submission.metadata,
        options=submission.options.to_json(),
    )


def known_mind(mind: str | None, field: str = "mind") -> str:
    """The mind of this name; the default one for None. Raises InvalidRequest if it is unknown."""
    minds = get_minds()
    if mind is None:
        return minds.default_mind
    if mind not in minds.minds:
        raise InvalidRequest(f"No such mind: {mind!r}. Use {' or '.join(minds.minds)}.", field)
    return mind


def title_of(message: str) -> str:
    """The title of a conversation that starts with this message."""
    return message.strip().splitlines()[0][:TITLE_CHARS]


def insert_job(
    session: Session, message: Message, slot: str, time_left: timedelta, **columns: Any
) -> Job:
    """Insert a job in this slot, with its deadline after `time_left`; its chain is published after
    the commit."""
    job = Job(
        id=new_id("job"),
        conversation_id=message.conversation_id,
        message_id=message.id,
        slot=slot,
        queue_lease_until=now() + queue_lease() if slot == "queued" else None,
        queue_lease_s=queue_lease_s(),
        expires_at=now() + time_left,
        request_id=get_contextvars().get("request_id"),
        **columns,
    )
    session.add(job)
    session.flush()
    noted = AcceptedJob(job.id, job.epoch, job.stage, message.content, job.mind, slot)
    after_commit(session).accepted.append(noted)
    return job


def _conversation(session: Session, submission: Submission) -> str:
    wanted = submission.conversation_id
    if wanted is None:
        title = title_of(submission.message)
        return create_conversation(session, submission.user_id, title=title).id
    conversation = lock_conversation(session, submission.user_id, wanted)
    if conversation is None:
        raise NotFound(f"No such conversation: {wanted!r}.")
    conversation.updated_at = now()
    return conversation.id
