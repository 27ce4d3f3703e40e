"""Where a stream resumes: after `Last-Event-ID`, or else after `starting_after`."""

from typing import Final

from app.http.problems import Refusal, invalid
from app.schemas.events import LAST_EVENT_ID, EventsHeaders, EventsQuery
from app.schemas.headers import malformed_header
from app.streaming.events import steps_of, text_of
from models.jobs import STAGES, UNFINISHED, Job
from models.lifecycle.event_numbers import SEQUENCE_GAP

QUERY: Final = "starting_after"
BEYOND: Final = "is beyond the last event"
NONE: Final = "is not the id of an event of this stream"
# The most characters that may have been sent but not saved in the row yet.
MAX_UNSAVED_CHARS: Final = SEQUENCE_GAP // 10


def resume_after(job: Job, header: EventsHeaders, query: EventsQuery) -> int:
    """The number to resume after; 0 is the start.

    The header takes precedence: a browser that reconnects sends it with the URL of its first
    request. Raises Refusal, naming the source of the number, if no event of the job had it.
    """
    if header.last_event_id is not None:
        refuse_unsent(job, header.last_event_id, LAST_EVENT_ID)
        return header.last_event_id
    refuse_unsent(job, query.starting_after or 0)
    return query.starting_after or 0


def refuse_unsent(job: Job, number: int, source: str = QUERY) -> None:
    """Raises Refusal for a number that no event of the job can have had."""
    if not may_have_been_sent(job, number):
        beyond = number > job.sequence
        raise unknown_position(
            source, "too_large" if beyond else "not_a_place", BEYOND if beyond else NONE
        )


def unknown_position(source: str, code: str, message: str) -> Refusal:
    """The refusal of a position that the stream does not have, naming where it was given."""
    if source == LAST_EVENT_ID:
        return malformed_header(LAST_EVENT_ID, message)
    return invalid(source, code, message)


def has_all(job: Job, after: int) -> bool:
    """Whether a client has the job's last event. A browser would reconnect for ever."""
    return job.status not in UNFINISHED and after == job.sequence


def may_have_been_sent(job: Job, number: int) -> bool:
    """Whether an event of the job can have had this number; 0 is the start.

    The row has the events of each stage's last run only. Events of earlier runs may have been sent
    too, and text that is not saved yet: of these, only the possible range is known.
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
    if number - before > MAX_UNSAVED_CHARS:
        return False
    generating = job.record("generate").status == "running"
    if text is not None and generating and before == text.number:
        return True
    return number < job.sequence and _has_run_again(job)


def _in_generate(job: Job, number: int) -> bool:
    """Whether it was the number of a character, even if the text was not kept."""
    record = job.record("generate")
    if record.began is None or record.ended is None:
        return False
    return record.began <= number <= record.ended


def _has_run_again(job: Job) -> bool:
    """Whether a stage has run more than once, or will."""
    records = [job.record(name) for name in STAGES]
    waits = any(each.status == "pending" and each.ended is not None for each in records)
    begun = sum(each.began is not None for each in records)
    return waits or job.restarts > 0 or job.starts > begun
