"""Server-sent events, as the HTML standard defines them (https://html.spec.whatwg.org, 9.2)."""

import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final

from flask import Response, request

from app.http.deferred import STREAM, LineStream
from app.streaming.access import ENDED, hold_access, lines_under
from app.streaming.capacity import take_slot
from app.streaming.hub import get_hub
from models.errors import Unauthorized
from models.jobs import UNFINISHED, Job

MEDIA_TYPE: Final = "text/event-stream"
# Lines of the event that follows, without an empty line of their own: to many parsers every empty
# line ends an event, even if only a comment precedes it.
HEARTBEAT: Final = ": nothing new\n"
RECONNECT: Final = "retry: 2000\n"
EXAMPLE: Final = """\
id: 12
event: job.delta
data: {"type":"job.delta","sequence_number":12,"job_id":"job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC",\
"text":"Paris"}

"""
# Plain characters in JSON, but line breaks to many parsers.
LINE_ENDS: Final = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}

ACCESS_ENDED: Final = "access.ended"

Lines = AsyncGenerator[str, None]


def sse_line(kind: str, data: dict[str, Any], event_id: str | None = None) -> str:
    """One event. Its JSON has no line breaks, so that it is one `data` line."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if not body.isascii():
        body = body.translate(LINE_ENDS)
    return f"{head}event: {kind}\ndata: {body}\n\n"


def sse_response(lines: Lines, jobs: Iterable[Job]) -> Response:
    """A response that stays open while lines of these jobs come. If the caller's access ends, its
    last event says so. Raises Refusal if no slot is free."""
    take_slot("stream")
    open_soon(jobs)
    return stream_response(lines, MEDIA_TYPE, last=access_ended())


def open_soon(jobs: Iterable[Job]) -> None:
    """Prepare to follow those of these jobs that have not ended."""
    unfinished = [job.id for job in jobs if job.status in UNFINISHED]
    if unfinished:
        get_hub().open_soon(unfinished)


def stream_response(lines: Lines, mimetype: str, last: str = "") -> Response:
    """A response whose body is sent as it is produced; its slot was taken before.

    Args:
        last: a line to send if the caller's access ends before the stream does.
    """
    lines = lines_under(hold_access(), lines, last)
    stream = request.environ[STREAM] = LineStream(lines)
    response = Response(stream, mimetype=mimetype)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy that buffers would delay events
    return response


def access_ended() -> str:
    """The event that ends a stream whose caller has no access any more. It has no id, so that a
    client with another key resumes after the event before it."""
    data = {"type": ACCESS_ENDED, "code": Unauthorized.code, "message": ENDED}
    return sse_line(ACCESS_ENDED, data)


def declared(description: str) -> dict[str, Any]:
    """The OpenAPI declaration of a response that is a stream."""
    return {
        "description": f"{description} If your key, session or token ends before that, the last "
        f"event is `{ACCESS_ENDED}`, with a `code` and a `message`.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
    }
