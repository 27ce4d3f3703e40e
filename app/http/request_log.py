"""The request's id, in every answer and every line of the log, and one line a request."""

import re
import time
from typing import Final
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, request

from models.ids import new_id

HEADER: Final = "X-Request-Id"
LOGGED_PATH_CHARS: Final = 200
SANE: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
READS: Final = frozenset({"GET", "HEAD"})
QUIET: Final = frozenset({"/healthz", "/readyz", "/api/v1/health"})

log = structlog.get_logger("app.access")


def register_request_log(app: Flask) -> None:
    """Name each request before anything else happens, and log it once it is answered. A thread of
    the server's forgets the name then: its next line may be about nobody's request."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(lambda _: structlog.contextvars.clear_contextvars())


def request_id_of(sent: str | None) -> str:
    """The caller's own id if it can be trusted in a log, else a new one."""
    return sent if sent and SANE.fullmatch(sent) else new_id("req")


def _begin() -> None:
    g.started = time.perf_counter()
    g.request_id = request_id_of(request.headers.get(HEADER))
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    response.headers.setdefault("Cache-Control", "no-store")
    write = log.debug if _is_quiet(response.status_code) else log.info
    write(
        "request",
        method=request.method,
        path=quote(request.path)[:LOGGED_PATH_CHARS],
        status=response.status_code,
        ms=round((time.perf_counter() - g.started) * 1000, 1),
    )
    return response


def _is_quiet(status: int) -> bool:
    """Whether a line is nobody's concern: a read that went well, as polling clients send by the
    thousand, and what load balancers ask, unless it failed."""
    went_well = status < 300 or status == 304
    return (request.method in READS and went_well) or (request.path in QUIET and status < 500)
