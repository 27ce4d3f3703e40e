"""The history of a job: its mind's track, or the jobs that it continues by `previous_id`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Integer, bindparam, func, literal, select
from sqlalchemy.orm import aliased

from models.broadcasts import Broadcast
from models.conversations import Message
from models.job_options import Options
from models.jobs import Job
from models.statement import Runner, Statement

Spoken = tuple[str, str]  # role (`user` or `assistant`) and text


@dataclass(frozen=True)
class Turn:
    """A question, and the answer from which the mind continues."""

    question: str
    answer: str


def track(connection: Runner, job_id: str, limit: int = 50) -> list[Turn]:
    """The turns before a job on its mind's track, oldest first, `limit` at most.

    The kept answer of a broadcast counts for every mind, even one that was not asked; without one,
    the mind's own answer does. Only completed jobs are turns.
    """
    rows = _track_statement().rows(connection, {"job_id": job_id, "most": limit})
    return [Turn(question, answer) for question, answer in reversed(rows)]


@lru_cache(maxsize=1)
def _track_statement() -> Statement:
    """Built once: building it costs more CPU than running it."""
    asked, answered = aliased(Message), aliased(Message)
    this, own = aliased(Job), aliased(Job)
    before = aliased(Message)
    own_job = (
        select(func.max(own.id))
        .where(own.message_id == asked.id, own.mind == this.mind, own.status == "completed")
        .scalar_subquery()
    )
    return Statement(
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
        .where(this.id == bindparam("job_id"))
        .order_by(asked.position.desc())
        .limit(bindparam("most", type_=Integer))
    )


def spoken(turns: Sequence[Turn]) -> list[Spoken]:
    """The messages of some turns, oldest first."""
    return [
        said for turn in turns for said in (("user", turn.question), ("assistant", turn.answer))
    ]


def linked(connection: Runner, job_id: str, limit: int = 50) -> list[Spoken]:
    """The messages of the jobs that a job continues, oldest first: of the last `limit` jobs, each
    with the history that its caller sent. Empty if it continues none."""
    rows = _chain_statement().rows(connection, {"job_id": job_id, "most": limit})
    return [
        said
        for options, question, answer in rows
        for said in (*Options.of(options).history, ("user", question), ("assistant", answer or ""))
    ]


@lru_cache(maxsize=1)
def _chain_statement() -> Statement:
    start = (Job.id == bindparam("job_id"), Job.previous_id.is_not(None))
    first = select(Job.previous_id.label("id"), literal(1).label("depth")).where(*start)
    links = first.cte(recursive=True)
    further = select(Job.previous_id, links.c.depth + 1).where(
        Job.id == links.c.id,
        Job.previous_id.is_not(None),
        links.c.depth < bindparam("most", type_=Integer),
    )
    links = links.union_all(further)
    return Statement(
        select(Job.options, Message.content, Job.answer)
        .join(links, links.c.id == Job.id)
        .join(Message, Message.id == Job.message_id)
        .where(Job.answer.is_not(None))
        .order_by(links.c.depth.desc())
    )
