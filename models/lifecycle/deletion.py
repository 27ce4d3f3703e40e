"""How a conversation goes: its jobs end and stay as receipts, what was said in it does not."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from models.conversations import Conversation
from models.jobs import Job
from models.lifecycle.endings import UNSAID, cancel_all


def delete_conversation(session: Session, user_id: str, conversation_id: str) -> bool:
    """Delete a user's conversation with its messages. False: there is none.

    Its unfinished jobs are cancelled. All its jobs stay, with what they cost, but without a word.
    """
    mine = (Conversation.id == conversation_id, Conversation.user_id == user_id)
    found = session.scalar(select(Conversation.id).where(*mine).with_for_update())
    if found is None:
        return False
    its_jobs = Job.conversation_id == conversation_id
    # All of them in the order of their ids, those that have ended too: a heartbeat that waited for
    # one until it ended holds it still, and may wait for the next.
    session.execute(select(Job.id).where(its_jobs).order_by(Job.id).with_for_update())
    cancel_all(session, its_jobs)
    session.execute(update(Job).where(its_jobs).values(**UNSAID))
    session.execute(delete(Conversation).where(*mine))
    return True
