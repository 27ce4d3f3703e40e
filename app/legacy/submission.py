"""Submissions with the replaced system's own ids of sessions and messages."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.limits.jobs import require_room
from models.conversations import get_or_create_session, title_of
from models.ids import derived_id
from models.jobs import Job, find_job_of_message
from tasks.jobs.submission import Submission, accept


def accept_in_session(
    session: Session,
    user_id: str,
    message: str,
    session_id: str | None,
    message_id: str | None = None,
) -> Job:
    """Accept a message in the conversation of a session id, or in a new one. The caller commits."""
    require_room(session)
    conversation_id = None
    if session_id:
        conversation_id = get_or_create_session(session, user_id, session_id, title_of(message)).id
    return accept(session, Submission(user_id, message, conversation_id, message_id=message_id))


def accept_once(
    session: Session, user_id: str, message: str, session_id: str, given_id: str
) -> Job:
    """Accept a message with the client's own id, or return the job that was accepted for this id.

    The caller commits. Our id is derived from the user and the client's id, so that the primary key
    of the messages excludes a duplicate, however many arrive at once.
    """
    message_id = derived_id("msg", user_id, given_id)
    known = find_job_of_message(session, user_id, message_id)
    if known is not None:
        return known
    try:
        with session.begin_nested():
            return accept_in_session(session, user_id, message, session_id, message_id)
    except IntegrityError:
        known = find_job_of_message(session, user_id, message_id)
        if known is None:
            raise
        return known
