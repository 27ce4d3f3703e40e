"""Server-sent events, as the HTML standard has them (https://html.spec.whatwg.org, 9.2)."""

import json
from collections.abc import Iterator
from typing import Any, Final

from flask import Response, request, stream_with_context

from app.places import places, take_place

MEDIA_TYPE: Final = "text/event-stream"
# Whoever takes in nothing for so long is gone, or as good as gone: the thread is needed.
SEND_WITHIN_S: Final = 20.0
HEARTBEAT: Final = ": nothing new\n\n"
RECONNECT: Final = "retry: 2000\n\n"


def sse_line(kind: str, data: dict[str, Any], event_id: str | None = None) -> str:
    """One event. JSON has no line breaks of its own, so that it is one `data` line."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {kind}\ndata: {body}\n\n"


def sse_response(lines: Iterator[str]) -> Response:
    """A response that stays open while lines come. Raises Refusal where no place is free."""
    take_place()
    response = Response(stream_with_context(lines), mimetype=MEDIA_TYPE)
    response.call_on_close(places().release)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy that gathers would hold events back
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(SEND_WITHIN_S)
    return response


def declared(description: str) -> dict[str, Any]:
    """The declaration of an answer that is a stream."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
