"""A broadcast's events as lines of one stream: those of all its jobs, each with its own numbers.

Where a reader goes on is a number for each job, in the order of the broadcast's jobs: `12-40-7`;
after the last event, `12-40-9-end`. So nothing has to be kept to go on from it.
"""

import asyncio
from contextlib import aclosing
from typing import Any, Final

import structlog

from app.schemas.broadcasts import broadcast_body
from app.schemas.events import LAST_EVENT_ID, BroadcastEventsHeaders, BroadcastEventsQuery
from app.streaming.follow import follow_all
from app.streaming.resume import NONE, QUERY, has_all, may_have_been_sent, nowhere
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


def places_of(
    whole: BroadcastJobs, header: BroadcastEventsHeaders, query: BroadcastEventsQuery
) -> dict[str, int] | None:
    """By job, the number after which to go on; None: the reader has the end. Raises Refusal,
    naming where the place came from, for one that this broadcast's stream has not had."""
    source = LAST_EVENT_ID if header.last_event_id is not None else QUERY
    place = header.last_event_id or query.starting_after
    if place is None:
        return {job.id: 0 for job in whole.siblings}
    numbers = [int(number) for number in place.removesuffix(END).split("-")]
    if len(numbers) != len(whole.siblings):
        raise nowhere(source, "not_a_place", NONE)
    after = list(zip(whole.siblings, numbers, strict=True))
    ends = place.endswith(END)
    if not all(may_have_been_sent(job, number) for job, number in after) or (
        ends and not (whole.ended and all(has_all(job, number) for job, number in after))
    ):
        raise nowhere(source, "not_a_place", NONE)
    return None if ends else {job.id: number for job, number in after}


async def broadcast_lines(user_id: str, whole: BroadcastJobs, after: dict[str, int]) -> Lines:
    """The lines of a broadcast's stream after these numbers, to the end of its last job."""
    at, minds = dict(after), {job.id: job.mind for job in whole.siblings}
    yield RECONNECT
    async with aclosing(follow_all(user_id, after)) as all_told:
        async for told in all_told:
            if told is None:
                yield HEARTBEAT
                continue
            job_id, event = told
            at[job_id] = event.number
            head = {"type": event.type, "sequence_number": event.number, "job_id": job_id}
            yield sse_line(event.type, {**head, "mind": minds[job_id], **event.data}, _place(at))
    end = await asyncio.to_thread(_end, user_id, whole.broadcast.id, _place(at) + END)
    if end is not None:
        yield end


def _end(user_id: str, broadcast_id: str, place: str) -> str | None:
    """The last event; none where this process ends before the broadcast, or it was deleted."""
    try:
        with unit_of_work() as session:
            whole = broadcasts.read(session, user_id, broadcast_id)
    except NotFound:
        return None
    except DatabaseUnavailable as error:  # the client asks again, from where it is
        outages.note("database", error)
        return None
    if not whole.ended:
        return None
    kind = f"broadcast.{whole.status}"
    return sse_line(kind, {"type": kind, "broadcast": broadcast_body(whole).model_dump()}, place)


def _place(at: dict[str, int]) -> str:
    return "-".join(str(number) for number in at.values())
