"""The events of a conversation's unfinished jobs as the lines of one stream.

A position in the stream is a number for each job that has not ended: `01J….12~01K….40`, with the
jobs' ids without `job_`. So nothing has to be stored to resume from it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from app.schemas.events import LAST_EVENT_ID, ConversationEventsHeaders, ConversationEventsQuery
from app.streaming.follow import follow_all
from app.streaming.resume import NONE, QUERY, has_all, may_have_been_sent, unknown_position
from app.streaming.sse import HEARTBEAT, RECONNECT, Lines, declared, sse_line
from config.outages import outages
from models.errors import DatabaseUnavailable
from models.jobs import UNFINISHED, Job, find_jobs, jobs_since, unfinished_in
from models.session import unit_of_work

PREFIX: Final = "job_"
IDLE: Final = "conversation.idle"

CONVERSATION_STREAM: Final[dict[str, Any]] = declared(
    "The events of all unfinished jobs as they happen, each as in the job's own stream, with its "
    "`job_id` and `mind`; and finally `conversation.idle`, once every job has ended. The `id` is "
    "the position in the whole stream."
)

IS_IDLE: Final[dict[str, Any]] = {"description": "No job is unfinished: nothing will come."}


@dataclass(frozen=True)
class Position:
    """The jobs whose events the client lacks, and by job the number to resume after."""

    jobs: Sequence[Job]
    after: dict[str, int]


def position_in(
    session: Session,
    user_id: str,
    conversation_id: str,
    header: ConversationEventsHeaders,
    query: ConversationEventsQuery,
) -> Position:
    """The jobs of the client's position, and every other unfinished one from its start. Raises
    Refusal, naming the source of the position, if this conversation's stream never had it."""
    source = LAST_EVENT_ID if header.last_event_id is not None else QUERY
    given = _numbers(header.last_event_id or query.starting_after or "")
    jobs = {job.id: job for job in find_jobs(session, user_id, conversation_id, list(given))}
    if jobs.keys() != given.keys() or not all(
        may_have_been_sent(jobs[job_id], number) for job_id, number in given.items()
    ):
        raise unknown_position(source, "not_a_place", NONE)
    jobs |= {job.id: job for job in unfinished_in(session, user_id, conversation_id)}
    lacking = [job for job in jobs.values() if not has_all(job, given.get(job.id, 0))]
    return Position(lacking, {job.id: given.get(job.id, 0) for job in lacking})


async def conversation_lines(user_id: str, conversation_id: str, position: Position) -> Lines:
    """The lines of a conversation's stream after a position, until all of its jobs have ended,
    those that begin meanwhile included."""
    jobs, at = list(position.jobs), dict(position.after)
    yield RECONNECT
    while jobs:
        minds = {job.id: job.mind for job in jobs}
        live = any(job.status in UNFINISHED for job in jobs)
        async with aclosing(follow_all(user_id, dict(at), live=live)) as batches:
            async for batch in batches:
                lines = []
                for job_id, event in batch:
                    at[job_id] = event.number
                    if event.final:
                        del at[job_id]
                    head = {"type": event.type, "sequence_number": event.number, "job_id": job_id}
                    data = {**head, "mind": minds[job_id], **event.data}
                    lines.append(sse_line(event.type, data, _position(at)))
                yield "".join(lines) or HEARTBEAT
        if at:  # this process shuts down, or a job was deleted
            return
        newest = max(job.id for job in jobs)
        jobs = await asyncio.to_thread(_further, user_id, conversation_id, newest)
        at = {job.id: 0 for job in jobs}
    yield sse_line(IDLE, {"type": IDLE, "conversation_id": conversation_id}, "")


def _numbers(position: str) -> dict[str, int]:
    pairs = (pair.split(".") for pair in position.split("~") if pair)
    return {PREFIX + job: int(number) for job, number in pairs}


def _position(at: Mapping[str, int]) -> str:
    return "~".join(f"{job.removeprefix(PREFIX)}.{number}" for job, number in at.items())


def _further(user_id: str, conversation_id: str, newest: str) -> list[Job]:
    """The jobs that began while the stream was open, even if they have ended since."""
    try:
        with unit_of_work() as session:
            return jobs_since(session, user_id, conversation_id, newest)
    except DatabaseUnavailable as error:
        outages.note("database", error)
        return []
