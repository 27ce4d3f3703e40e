"""The backlog: how many jobs are unfinished, by slot and stage, and how old they are."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from sqlalchemy import Float, case, extract, func, select
from sqlalchemy.orm import Session

from models.jobs import BULK, CROWDED, FIRST, Job
from models.lifecycle.fence import now
from models.statement import Runner, Statement

LANE_NAMES: Final[dict[int, Literal["first", "crowded", "bulk"]]] = {
    FIRST: "first",
    CROWDED: "crowded",
    BULK: "bulk",
}
QUEUES: Final = ("llm", "cpu")


@dataclass(frozen=True)
class Backlog:
    """The jobs in one slot at one stage; `oldest_s` is the age of the oldest in seconds."""

    slot: str
    stage: str
    jobs: int
    oldest_s: float


def backlog(session: Session) -> list[Backlog]:
    """The slots and stages that have unfinished jobs. Finished jobs are in no slot, so the index
    that is read does not contain them."""
    oldest = extract("epoch", now() - func.min(Job.created_at)).cast(Float)
    rows = session.execute(
        select(Job.slot, Job.stage, func.count(), oldest)
        .where(Job.slot.is_not(None))
        .group_by(Job.slot, Job.stage)
    )
    return [Backlog(*row) for row in rows]


def held_jobs(connection: Runner) -> int:
    """How many jobs are held, of all users."""
    number: int = _held_statement().rows(connection, {})[0][0]
    return number


@lru_cache(maxsize=1)
def _held_statement() -> Statement:
    return Statement(select(func.count()).select_from(Job).where(Job.slot == "held"))


@dataclass(frozen=True)
class Queue:
    """The queued jobs in one lane of a queue; `oldest_s` is the age of the oldest in seconds."""

    queue: Literal["llm", "cpu"]
    lane: int
    jobs: int
    oldest_s: float


def queues(session: Session) -> list[Queue]:
    """The lanes of the queues that have jobs, by the index of unfinished jobs. A job that is to be
    compressed is in the queue `cpu`."""
    queue = case((Job.stage == "compress", "cpu"), else_="llm").label("queue")
    oldest = extract("epoch", now() - func.min(Job.created_at)).cast(Float)
    rows = session.execute(
        select(queue, Job.lane, func.count(), oldest)
        .where(Job.slot == "queued")
        .group_by(queue, Job.lane)
        .order_by(queue.desc(), Job.lane)
    )
    return [Queue(*row) for row in rows]
