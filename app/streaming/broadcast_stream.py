"""A broadcast's events as the lines of one stream: all its jobs', each with its own numbers.

A position in the stream is a number for each job, in the order of the broadcast's jobs: `12-40-7`;
after the last event, `12-40-9-end`. So nothing has to be stored to resume from it. A job that was
retried keeps its number; the retry gets one of its own, after those of all others.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

import structlog

from app.schemas.broadcasts import broadcast_body
from app.schemas.events import LAST_EVENT_ID, BroadcastEventsHeaders, BroadcastEventsQuery
from app.streaming.follow import follow_all
from app.streaming.resume import NONE, QUERY, has_all, may_have_been_sent, unknown_position
from app.streaming.sse import HEARTBEAT, RECONNECT, Lines, declared, sse_line
from config.outages import outages
from models.broadcasts import BroadcastJobs
from models.errors import DatabaseUnavailable, NotFound
from models.session import unit_of_work
from tasks.jobs import broadcasts

END: Final = "-end"

log = structlog.get_logger(__name__)

BROADCAST_STREAM: Final[dict[str, Any]] = declared(
    "The events of all jobs as they happen, each as in the job's own stream, with its `job_id` and "
    "`mind`; and finally `broadcast.completed`, `broadcast.partial`, `broadcast.failed` or "
    "`broadcast.cancelled` with the `broadcast`. The `id` is the position in the whole stream."
)


def positions_of(
    whole: BroadcastJobs, header: BroadcastEventsHeaders, query: BroadcastEventsQuery
) -> dict[str, int] | None:
    """By job, the number to resume after; None if the client has the last event. Raises Refusal,
    naming the source of the position, if this broadcast's stream never had it."""
    source = LAST_EVENT_ID if header.last_event_id is not None else QUERY
    position = header.last_event_id or query.starting_after
    if position is None:
        return {job.id: 0 for job in whole.tries}
    numbers = [int(number) for number in position.removesuffix(END).split("-")]
    ends = position.endswith(END)
    if not _was_a_position(whole, numbers, ends=ends):
        raise unknown_position(source, "not_a_place", NONE)
    if ends and len(numbers) == len(whole.tries):
        return None
    since = dict.fromkeys((job.id for job in whole.tries), 0)
    return since | {job.id: number for job, number in zip(whole.tries, numbers, strict=False)}


def _was_a_position(whole: BroadcastJobs, numbers: Sequence[int], *, ends: bool) -> bool:
    """Whether the stream may have had these numbers, now or before a retry."""
    if not len(whole.siblings) <= len(numbers) <= len(whole.tries):
        return False
    after = list(zip(whole.tries, numbers, strict=False))
    if ends:
        return all(has_all(job, number) for job, number in after)
    return all(may_have_been_sent(job, number) for job, number in after)


async def broadcast_lines(user_id: str, whole: BroadcastJobs, after: dict[str, int]) -> Lines:
    """The lines of a broadcast's stream after these numbers, until its last job has ended."""
    at, minds = dict(after), {job.id: job.mind for job in whole.tries}
    yield RECONNECT
    async with aclosing(follow_all(user_id, after, live=not whole.ended)) as batches:
        async for batch in batches:
            lines = []
            for job_id, event in batch:
                at[job_id] = event.number
                head = {"type": event.type, "sequence_number": event.number, "job_id": job_id}
                data = {**head, "mind": minds[job_id], **event.data}
                lines.append(sse_line(event.type, data, _position(at)))
            yield "".join(lines) or HEARTBEAT
    end = await asyncio.to_thread(_end, user_id, whole.broadcast.id, at)
    if end is not None:
        yield end


def _end(user_id: str, broadcast_id: str, at: dict[str, int]) -> str | None:
    """The last event; None if there is more to follow: this process shuts down before the end, or a
    job was retried. None as well if the broadcast was deleted."""
    try:
        with unit_of_work() as session:
            whole = broadcasts.read(session, user_id, broadcast_id)
    except NotFound:
        return None
    except DatabaseUnavailable as error:  # the client reconnects and resumes
        outages.note("database", error)
        return None
    if not whole.ended or len(whole.tries) > len(at):
        return None
    kind = f"broadcast.{whole.status}"
    data = {"type": kind, "broadcast": broadcast_body(whole).model_dump()}
    return sse_line(kind, data, _position(at) + END)


def _position(at: dict[str, int]) -> str:
    return "-".join(str(number) for number in at.values())
