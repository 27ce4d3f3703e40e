"""Spans, and which one a thread is in. This one records nothing."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Self

Attribute = str | int | float | bool

# Of version 00, which is the only one so far.
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Span:
    """A span that is not recorded: it only says where in a trace it is, if in any.

    Attributes:
        traceparent: what continues the trace after this span.
        records: whether attributes are of any use.
    """

    records = False

    def __init__(self, traceparent: str | None = None) -> None:
        self.traceparent = traceparent

    def __enter__(self) -> Self:
        """Be the current span."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, failed if there was an error."""

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes."""

    def fail(self, code: str) -> None:
        """Mark it as failed. The code says why; the messages of errors may quote a text."""

    def end(self) -> None:
        """End it."""


UNRECORDED: Final = Span()
CURRENT: Final[ContextVar[Span]] = ContextVar("span", default=UNRECORDED)


def current_span() -> Span:
    """The span that this thread is in."""
    return CURRENT.get()


def set_current_span(span: Span) -> None:
    """Be in this span from now on."""
    CURRENT.set(span)


def valid_traceparent(sent: str | None) -> str | None:
    """A caller's `traceparent`; None if there is none or it is malformed, which is no error."""
    return sent if sent and _TRACEPARENT.fullmatch(sent) else None


def trace_id(traceparent: str) -> str:
    """The id of the trace, for the log."""
    return traceparent[3:35]
