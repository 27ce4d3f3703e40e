"""A mind's track: the turns of a conversation that it has answered, and nothing else."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from models.conversations import Message
from models.jobs import Job


@dataclass(frozen=True)
class Turn:
    """What the user asked a mind, and what it answered."""

    question: str
    answer: str


def track(session: Session, job_id: str, limit: int = 50) -> list[Turn]:
    """The turns that came before a job on its mind's track, oldest first, `limit` at most.

    Failed and cancelled turns stay out: a turn is a completed job.
    """
    asked, answered = aliased(Message), aliased(Message)
    this = aliased(Job)
    before = aliased(Message)
    rows = session.execute(
        select(asked.content, answered.content)
        .select_from(this)
        .join(before, before.id == this.message_id)
        .join(
            Job,
            (Job.conversation_id == this.conversation_id)
            & (Job.mind == this.mind)
            & (Job.status == "completed"),
        )
        .join(asked, (asked.id == Job.message_id) & (asked.position < before.position))
        .join(answered, answered.job_id == Job.id)
        .where(this.id == job_id)
        .order_by(asked.position.desc())
        .limit(limit)
    ).all()
    return [Turn(question, answer) for question, answer in reversed(rows)]
