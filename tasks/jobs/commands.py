"""What a user can do with accepted jobs: cancel them, retry them, delete their conversation."""

import structlog
from sqlalchemy.orm import Session

from models.conflicts import ConversationGone, NotDispatchable
from models.conversations import Message, lock_conversation
from models.errors import NotFound
from models.jobs import Job, find_job, lane_of
from models.lifecycle import deletion, endings
from models.lifecycle.admission import admit, refuse_retry
from models.lifecycle.reconciliation import make_due
from tasks.jobs.submission import insert_job

log = structlog.get_logger(__name__)


def cancel(session: Session, user_id: str, job_id: str) -> Job:
    """Cancel the user's job unless it has ended, and commit.

    Returns the job, which may have ended otherwise before or meanwhile. Raises NotFound.
    """
    _owned_job(session, user_id, job_id)
    cancelled = endings.cancel(session, job_id)
    session.expire_all()  # if another transaction ended it first, read what that wrote
    job = _owned_job(session, user_id, job_id)
    session.commit()
    if cancelled:
        log.info("job cancelled", job_id=job_id, stage=job.stage)
    return job


def retry(session: Session, user_id: str, job_id: str) -> Job:
    """Add a new job for the message of one that ended without an answer, with the same time limit.
    The caller commits.

    The new job takes the place of the old one in its broadcast. Raises NotFound, and a Conflict
    that says why the job can't be retried.
    """
    job = _owned_job(session, user_id, job_id)
    conversation = lock_conversation(session, user_id, job.conversation_id or "")
    session.expire(job)  # it may have ended, or lost its message, until now
    job = _owned_job(session, user_id, job_id)
    refuse_retry(session, job)
    message = session.get(Message, job.message_id or "")
    if conversation is None or message is None:
        raise ConversationGone("The job's conversation or message was deleted.")
    return insert_job(
        session,
        message,
        admit(session, conversation.id, job.mind),
        job.expires_at - job.created_at,
        user_id=user_id,
        broadcast_id=job.broadcast_id,
        mind=job.mind,
        metadata=job.meta,
        options=job.options,
        lane=lane_of(job.priority),
        previous_id=job.previous_id,
        webhook_url=job.webhook_url,
    )


def dispatch_again(session: Session, job_id: str) -> None:
    """Have the reconciler publish a queued job again, or end a job's wait, and commit.

    Raises NotFound, and NotDispatchable if it is running, blocked or has ended.
    """
    if make_due(session, job_id):
        session.commit()
        log.info("job to be dispatched again", job_id=job_id)
        return
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("No such job.")
    raise NotDispatchable(f"The job can't be dispatched: it is {job.slot or job.status}.")


def delete_conversation(session: Session, user_id: str, conversation_id: str) -> None:
    """Delete a user's conversation, cancel its unfinished jobs, and commit. Raises NotFound."""
    if not deletion.delete_conversation(session, user_id, conversation_id):
        raise NotFound("No such conversation.")
    session.commit()
    log.info("conversation deleted", conversation_id=conversation_id)


def _owned_job(session: Session, user_id: str, job_id: str) -> Job:
    job = find_job(session, user_id, job_id)
    if job is None:
        raise NotFound("No such job.")
    return job
