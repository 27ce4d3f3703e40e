"""The request's id, in every response and log line; each request is counted, and has a line of the
log."""

import logging
import re
import time
from typing import Final
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, request

from app.http.request_span import begin_request_span, end_request_span, leave_request_span
from models.ids import new_id
from tasks.metrics.declared import HTTP_REQUESTS, HTTP_SECONDS

HEADER: Final = "X-Request-Id"
LOGGED_PATH_CHARS: Final = 200
SAFE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
# The route of a path that there is not.
NO_ROUTE: Final = "none"
READS: Final = frozenset({"GET", "HEAD"})
QUIET: Final = frozenset({"/healthz", "/readyz", "/api/v1/health"})

_access: Final = logging.getLogger("app.access")
log = structlog.get_logger("app.access")


def register_request_log(app: Flask) -> None:
    """Give each request its id before anything else, and log it once it is answered. Then the id is
    cleared from the thread, whose next log line may belong to no request."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_leave)


def request_id_of(sent: str | None) -> str:
    """Return the caller's id if it is safe to log, else a new one."""
    return sent if sent and SAFE_ID.fullmatch(sent) else new_id("req")


def _begin() -> None:
    g.started = time.perf_counter()
    g.request_id = request_id_of(request.headers.get(HEADER))
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    begin_request_span(_route())


def _end(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    response.headers.setdefault("Cache-Control", "no-store")
    took_s = time.perf_counter() - g.started
    _count(response.status_code, took_s)
    end_request_span(response.status_code)
    quiet = _is_quiet(response.status_code)
    if quiet and not _access.isEnabledFor(logging.DEBUG):  # structlog would still make the line
        return response
    write = log.debug if quiet else log.info
    write(
        "request",
        method=request.method,
        path=quote(request.path)[:LOGGED_PATH_CHARS],
        status=response.status_code,
        ms=round(took_s * 1000, 1),
    )
    return response


def _leave(_: BaseException | None) -> None:
    structlog.contextvars.clear_contextvars()
    leave_request_span()


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else NO_ROUTE


def _count(status: int, took_s: float) -> None:
    route = _route()
    HTTP_REQUESTS.add(request.method, route, str(status))
    HTTP_SECONDS.observe(took_s, route)


def _is_quiet(status: int) -> bool:
    """Whether to log at DEBUG: successful reads, which polling clients send by the thousand, and
    health checks that did not fail."""
    succeeded = status < 300 or status == 304
    return (request.method in READS and succeeded) or (request.path in QUIET and status < 500)
