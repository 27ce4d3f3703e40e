"""Where a reader of events goes on: after `Last-Event-ID`, or else after `starting_after`."""

from app.problem import invalid
from app.schemas.events import EventsHeaders, EventsQuery
from models.fence import LEAP
from models.jobs import UNFINISHED, Job


def resume_after(job: Job, header: EventsHeaders, query: EventsQuery) -> int:
    """The number after which to go on; 0 from the start. Raises Refusal beyond the job's end.

    The header wins: a browser that reconnects sends it, with the address of its first call.
    """
    after = header.last_event_id if header.last_event_id is not None else query.starting_after
    refuse_beyond(job, after or 0)
    return after or 0


def refuse_beyond(job: Job, after: int) -> None:
    """Raises Refusal for a number that no event of the job's has yet had."""
    if after > last_number(job):
        raise invalid("starting_after", "too_large", "is beyond the job's last event")


def has_all(job: Job, after: int) -> bool:
    """Whether a reader has the job's end: a browser would ask for more, for ever."""
    return job.status not in UNFINISHED and after == job.sequence


def last_number(job: Job) -> int:
    """The largest number that can have been sent. A running text is ahead of its row."""
    return job.sequence + (LEAP if job.status in UNFINISHED else 0)
