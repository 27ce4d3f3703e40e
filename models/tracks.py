"""A mind's track: the turns of a conversation that it has answered, or that have a kept answer."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from models.broadcasts import Broadcast
from models.conversations import Message
from models.jobs import Job


@dataclass(frozen=True)
class Turn:
    """What the user asked, and the answer that the mind goes on from."""

    question: str
    answer: str


def track(session: Session, job_id: str, limit: int = 50) -> list[Turn]:
    """The turns that came before a job on its mind's track, oldest first, `limit` at most.

    Of a broadcast whose answer was kept that one counts, also for a mind that was not asked; else
    the mind's own answer does. Failed and cancelled turns stay out: a turn is a completed job.
    """
    asked, answered = aliased(Message), aliased(Message)
    this, own = aliased(Job), aliased(Job)
    before = aliased(Message)
    own_job = (
        select(func.max(own.id))
        .where(own.message_id == asked.id, own.mind == this.mind, own.status == "completed")
        .scalar_subquery()
    )
    rows = session.execute(
        select(asked.content, answered.content)
        .select_from(this)
        .join(before, before.id == this.message_id)
        .join(
            asked,
            (asked.conversation_id == this.conversation_id)
            & (asked.role == "user")
            & (asked.position < before.position),
        )
        .outerjoin(Broadcast, Broadcast.message_id == asked.id)
        .join(answered, answered.job_id == func.coalesce(Broadcast.kept_job_id, own_job))
        .where(this.id == job_id)
        .order_by(asked.position.desc())
        .limit(limit)
    ).all()
    return [Turn(question, answer) for question, answer in reversed(rows)]
