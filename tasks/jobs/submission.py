"""Accept a job: add it, with the user's message, to the transaction that the caller commits."""

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
from models.lifecycle.fence import now
from models.lifecycle.leases import queue_lease, queue_lease_s

TITLE_CHARS: Final = 60


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
    return insert_job(
        session,
        "queued" if alone else admit(session, message.conversation_id, mind),
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


def known_mind(mind: str | None, field: str = "mind") -> str:
    """A mind that a caller names; the default one where he names none. Raises InvalidRequest."""
    minds = get_minds()
    if mind is None:
        return minds.default_mind
    if mind not in minds.minds:
        raise InvalidRequest(f"No such mind: {mind!r}. Use {' or '.join(minds.minds)}.", field)
    return mind


def title_of(message: str) -> str:
    """What a conversation is called that begins with this message."""
    return message.strip().splitlines()[0][:TITLE_CHARS]


def insert_job(session: Session, slot: str, time_left: timedelta, **columns: Any) -> Job:
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
