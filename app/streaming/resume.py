"""Where a reader of events goes on: after `Last-Event-ID`, or else after `starting_after`."""

from typing import Final

from app.http.problems import Refusal, invalid
from app.schemas.events import LAST_EVENT_ID, EventsHeaders, EventsQuery
from app.schemas.headers import malformed_header
from app.streaming.events import steps_of, text_of
from models.jobs import UNFINISHED, Job
from models.lifecycle.event_numbers import SEQUENCE_GAP

QUERY: Final = "starting_after"
BEYOND: Final = "is beyond the last event"
NONE: Final = "is not the id of an event of this stream"
# By so many characters, at most, a text that was sent can be ahead of what the row has of it.
AHEAD: Final = SEQUENCE_GAP // 10


def resume_after(job: Job, header: EventsHeaders, query: EventsQuery) -> int:
    """The number after which to go on; 0 from the start. Raises Refusal, naming where the number
    came from, for one that no event of the job's has had.

    The header wins: a browser that reconnects sends it, with the address of its first call.
    """
    if header.last_event_id is not None:
        refuse_unsent(job, header.last_event_id, LAST_EVENT_ID)
        return header.last_event_id
    refuse_unsent(job, query.starting_after or 0)
    return query.starting_after or 0


def refuse_unsent(job: Job, number: int, source: str = QUERY) -> None:
    """Raises Refusal for a number that no event of the job's has had."""
    if not may_have_been_sent(job, number):
        beyond = number > job.sequence
        raise nowhere(source, "too_large" if beyond else "not_a_place", BEYOND if beyond else NONE)


def nowhere(source: str, code: str, message: str) -> Refusal:
    """The refusal of a place that a stream does not have, by the name of what it came in."""
    if source == LAST_EVENT_ID:
        return malformed_header(LAST_EVENT_ID, message)
    return invalid(source, code, message)


def has_all(job: Job, after: int) -> bool:
    """Whether a reader has the job's end: a browser would ask for more, for ever."""
    return job.status not in UNFINISHED and after == job.sequence


def may_have_been_sent(job: Job, number: int) -> bool:
    """Whether an event of the job's can have had this number; 0 is the start.

    The row knows the events of each stage's last run. An earlier run's were sent as well, and so
    was text that the row has not: of those it is only known where they must lie.
    """
    text = text_of(job)
    known = [0, *(step.number for step in steps_of(job))]
    if text is not None:
        if text.base <= number <= text.number:
            return True
        known.append(text.number)
    if number in known or _in_generate(job, number):
        return True
    before = max(each for each in known if each < number)
    if number - before > AHEAD:
        return False
    generating = job.stages.get("generate", {}).get("status") == "running"
    if text is not None and generating and before == text.number:
        return True
    return number < job.sequence and _has_run_again(job)


def _in_generate(job: Job, number: int) -> bool:
    """Whether this was a character's number, though the text may not be kept."""
    line = job.stages.get("generate", {})
    return "ended" in line and bool(line["began"] <= number <= line["ended"])


def _has_run_again(job: Job) -> bool:
    """Whether a stage has run more than once, or is going to."""
    lines = job.stages.values()
    waits = any(line["status"] == "pending" and "ended" in line for line in lines)
    return waits or job.restarts > 0 or job.starts > sum("began" in line for line in lines)
