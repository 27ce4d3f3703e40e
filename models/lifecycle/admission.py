"""Decides whether a new job is accepted, and whether it starts at once or waits for its track."""

from functools import lru_cache

from sqlalchemy import Executable, and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from models.conflicts import ConversationBusy, JobCompleted, JobInProgress
from models.conversations import Conversation
from models.jobs import UNFINISHED, Job
from models.lifecycle.endings import cancel_all
from models.lifecycle.fence import now
from models.lifecycle.track_queue import on_track


def admit(session: Session, conversation_id: str, mind: str) -> str:
    """The slot of a new job on a mind's track, according to the conversation's `on_busy`.

    The caller has locked the conversation. With `interrupt` the track's jobs are cancelled here.
    Raises ConversationBusy with `reject`.
    """
    track = {"conversation_id": conversation_id, "mind": mind}
    if session.execute(_busy_statement(), track).first() is None:
        return "queued"
    wanted = select(Conversation.on_busy).where(Conversation.id == conversation_id)
    on_busy = session.scalars(wanted).one()
    if on_busy == "reject":
        raise ConversationBusy("The conversation has an unfinished job for this mind.")
    if on_busy == "interrupt":
        cancel_all(session, on_track(conversation_id, mind))
        return "queued"
    _note_waiting(session, conversation_id)
    return "blocked"


def _note_waiting(session: Session, conversation_id: str) -> None:
    """Change the conversation, so that the job ahead does not end as if none waited for it."""
    this = Conversation.id == conversation_id
    session.execute(update(Conversation).where(this).values(updated_at=now()))


@lru_cache(maxsize=1)
def _busy_statement() -> Executable:
    """Built once, since it runs for every further message of a conversation."""
    track = on_track(bindparam("conversation_id"), bindparam("mind"))
    return select(Job.id).where(track).limit(1)


def refuse_retry(session: Session, job: Job) -> None:
    """Raise a Conflict if a job must not be retried, because it or another job of its message and
    mind is completed or unfinished. The caller has locked the conversation."""
    same = or_(Job.id == job.id, and_(Job.message_id == job.message_id, Job.mind == job.mind))
    statuses = set(session.scalars(select(Job.status).where(same)))
    if "completed" in statuses:
        raise JobCompleted("The message has already been answered.")
    if not statuses.isdisjoint(UNFINISHED):
        raise JobInProgress("This message has an unfinished job.")
