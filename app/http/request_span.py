"""The span of a request, which continues its caller's trace."""

from contextlib import ExitStack
from typing import Final

import structlog
from flask import g, request

from app.http.deferred import until_sent
from tasks.tracing.recorder import begin_span
from tasks.tracing.spans import UNRECORDED, Span, set_current_span, trace_id, valid_traceparent

HEADER: Final = "traceparent"
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def begin_request_span(route: str) -> None:
    """Be in the caller's trace, or in a new one. Reads begin none: polling clients send them by the
    thousand."""
    parent = valid_traceparent(request.headers.get(HEADER))
    span = _span(route, parent) if parent or request.method not in READS else UNRECORDED
    g.span = span
    set_current_span(span)
    if span.traceparent is not None:
        structlog.contextvars.bind_contextvars(trace_id=trace_id(span.traceparent))


def end_request_span(status: int) -> None:
    """End the span of this request, which has an answer."""
    span: Span = g.span
    span.set({"http.response.status_code": status})
    if status >= 500:
        span.fail(str(status))
    span.end()


def leave_request_span() -> None:
    """Be in no span: what this thread does next may belong to no request."""
    set_current_span(UNRECORDED)


def _span(route: str, parent: str | None) -> Span:
    about = {
        "http.request.method": request.method,
        "http.route": route,
        "trimind.request_id": g.request_id,
    }
    span = begin_span(f"{request.method} {route}", "server", parent, about)
    if span is UNRECORDED:
        return Span(parent)  # for the log, and for a worker that records
    if span.records:
        ending = ExitStack()
        ending.callback(span.end)
        until_sent(ending)  # of a client that leaves while it waits, there is no answer
    return span
