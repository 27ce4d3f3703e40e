"""A response's events as lines of a stream."""

from collections.abc import Iterator

from app.responses.stream import translate
from app.sse import HEARTBEAT, sse_line
from app.stream import follow
from models.errors import NotFound
from models.jobs import Job, find_job
from models.session import unit_of_work


def response_lines(job: Job, after: int | None) -> Iterator[str]:
    """The lines of a response's stream: all of them, or those after a number.

    All of the job's events are read, whatever the number: they come from its row at once.
    """

    def read() -> Job:
        with unit_of_work() as session:
            now = find_job(session, job.user_id, job.id)
        if now is None:
            raise NotFound("The job is gone, and its user with it.")
        return now

    for event in translate(job, follow(job.user_id, job.id, 0), after, read):
        yield HEARTBEAT if event is None else sse_line(event["type"], event)
