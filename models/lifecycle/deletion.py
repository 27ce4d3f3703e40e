"""Deletes a conversation: its jobs end and keep their receipts, but not their texts."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from models.conversations import Conversation
from models.jobs import Job
from models.lifecycle.endings import UNSAID, cancel_all


def delete_conversation(session: Session, user_id: str, conversation_id: str) -> bool:
    """Delete a user's conversation with its messages. False if there is none.

    Its unfinished jobs are cancelled. Its jobs are kept with their costs, but without their texts.
    """
    mine = (Conversation.id == conversation_id, Conversation.user_id == user_id)
    found = session.scalar(select(Conversation.id).where(*mine).with_for_update())
    if found is None:
        return False
    its_jobs = Job.conversation_id == conversation_id
    # Lock all of them in the order of their ids, finished ones too: a heartbeat that waited for one
    # until it ended still has it locked, and may wait for the next.
    session.execute(select(Job.id).where(its_jobs).order_by(Job.id).with_for_update())
    cancel_all(session, its_jobs)
    session.execute(update(Job).where(its_jobs).values(**UNSAID))
    session.execute(delete(Conversation).where(*mine))
    return True
