"""A job's events as the lines of a stream."""

from contextlib import aclosing
from typing import Any, Final

from app.streaming.events import Event
from app.streaming.follow import follow_batches
from app.streaming.sse import HEARTBEAT, RECONNECT, Lines, declared, sse_line
from models.jobs import Job

STREAM: Final[dict[str, Any]] = declared(
    "`job.queued`; `job.stage` whenever a stage changes; `job.delta` with the next piece of "
    "`text`; `job.snapshot` with the whole `text` so far, after a gap that can't be filled "
    "otherwise; `job.restarted` if the text starts over: discard what you have; `job.usage`; and "
    "finally `job.completed`, `job.failed`, `job.cancelled` or `job.expired` with the `job`. A "
    "comment every 15 s keeps the connection open; it is a line of the next event."
)
HAS_ALL: Final[dict[str, Any]] = {"description": "You have the last event: nothing more will come."}


async def job_lines(job: Job, after: int) -> Lines:
    """The lines of a job's stream after a number."""
    yield RECONNECT
    async with aclosing(follow_batches(job, after)) as batches:
        async for batch in batches:
            yield "".join(job_line(job.id, event) for event in batch) or HEARTBEAT


def job_line(job_id: str, event: Event) -> str:
    """One event. Its `data` repeats the type and number, so that it can be read alone."""
    head = {"type": event.type, "sequence_number": event.number, "job_id": job_id}
    return sse_line(event.type, head | event.data, str(event.number))
