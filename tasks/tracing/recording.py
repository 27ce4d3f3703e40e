"""Spans recorded by OpenTelemetry, and sent to a collector by OTLP over HTTP, in batches.

Only `recorder` imports this, and only if tracing is on.
"""

import atexit
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextvars import Token
from dataclasses import dataclass
from functools import lru_cache
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Final, Self, cast

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from config.environ import export_variables
from config.outages import RepeatFilter
from config.process import process_kind
from config.settings import get_settings
from tasks.tracing.recorder import Kind
from tasks.tracing.spans import CURRENT, Attribute, Span

KINDS: Final = {
    "server": SpanKind.SERVER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
}
# The loggers that complain while the collector is unavailable.
LOGGERS: Final = (trace_exporter.__name__, "opentelemetry.sdk._shared_internal")
CLOSE_WITHIN_S: Final = 1.0
# The runs of a job's stages have the same parent: how many parents are remembered.
PARENTS: Final = 1024
UNSET: Final = Status(StatusCode.UNSET)
FAILED: Final = Status(StatusCode.ERROR)


@dataclass(frozen=True, eq=False)
class ProcessResource:
    """What is the same in all spans of this process, as OpenTelemetry's encoder reads it.

    The encoder hashes it for every span, and the hash of a `Resource` writes it as JSON each time.
    """

    attributes: Mapping[str, object]
    schema_url: str = ""


@dataclass(frozen=True)
class Outbox:
    """Where ended spans go, and what is the same in all of them."""

    send: Callable[[ReadableSpan], None]
    resource: ProcessResource
    scope: InstrumentationScope
    max_chars: int | None

    def put(self, attributes: Mapping[str, Attribute], **span: Any) -> None:
        """Send a span soon; its keywords are those of OpenTelemetry."""
        cut = {k: v[: self.max_chars] if isinstance(v, str) else v for k, v in attributes.items()}
        self.send(
            ReadableSpan(
                attributes=cut,
                resource=cast(Resource, self.resource),
                instrumentation_scope=self.scope,
                **span,
            )
        )


class OtelSpan(Span):
    """A span that is sent to the collector when it has ended."""

    records = True

    def __init__(
        self,
        outbox: Outbox,
        name: str,
        kind: Kind,
        at: SpanContext,
        parent: SpanContext | None,
        attributes: Mapping[str, Attribute],
    ) -> None:
        super().__init__(_traceparent(at))
        self._outbox = outbox
        self._name, self._kind, self._at, self._parent = name, kind, at, parent
        self._attributes = dict(attributes)
        self._status = UNSET
        self._outer: Token[Span] | None = None
        self._ended = (
            Lock()
        )  # two threads may end a request: of its answer, and of its client's end
        self._began = time.time_ns()

    def __enter__(self) -> Self:
        """Be the current span."""
        self._outer = CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, failed if there was an error."""
        if self._outer is not None:
            CURRENT.reset(self._outer)
        if error is not None and self._status is UNSET:
            self.fail(str(getattr(error, "code", type(error).__name__)))
        self.end()

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes."""
        self._attributes.update(attributes)

    def fail(self, code: str) -> None:
        """Mark it as failed."""
        self._status = FAILED
        self._attributes["error.type"] = code

    def end(self) -> None:
        """End it, unless it has ended."""
        if not self._ended.acquire(blocking=False):
            return
        self._outbox.put(
            self._attributes,
            name=self._name,
            kind=KINDS[self._kind],
            context=self._at,
            parent=self._parent,
            status=self._status,
            start_time=self._began,
            end_time=time.time_ns(),
        )


class OtelRecorder:
    """Records spans, and sends them from a thread of its own; those that find no room are dropped.

    OpenTelemetry reads its variables, samples, encodes and sends. The spans are our own: its spans
    take three times the CPU, for locks, events, links and limits that ours have no use for.

    Raises ValueError or RuntimeError if a variable is invalid.
    """

    def __init__(self) -> None:
        export_variables("OTEL_")
        about: dict[str, Attribute] = {
            "service.name": get_settings().otel_service_name,
            "process.pid": os.getpid(),
            "trimind.process": process_kind() or "other",
        }
        # Python would wait for the collector for half a minute at its end.
        self._provider = TracerProvider(shutdown_on_exit=False)
        processor = BatchSpanProcessor(trace_exporter.OTLPSpanExporter())
        self._provider.add_span_processor(processor)
        self._outbox = Outbox(
            processor.on_end,
            ProcessResource(Resource.create(about).attributes),
            InstrumentationScope("trimind"),
            SpanLimits().max_span_attribute_length,
        )
        self._after = lru_cache(PARENTS)(self._look_at)
        for name in LOGGERS:
            logging.getLogger(name).addFilter(RepeatFilter())
        self._closing = Event()
        # Created in advance, since later Pythons start no thread at their end.
        self._closer = Thread(target=self._close, name="last-spans", daemon=True)
        self._closer.start()
        atexit.register(self.close)

    def begin(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Attribute]
    ) -> Span:
        """Begin a span."""
        before, trace_id, flags = self._root() if parent is None else self._after(parent)
        at = SpanContext(trace_id, self._provider.id_generator.generate_span_id(), False, flags)
        if not flags.sampled:
            return Span(_traceparent(at))
        return OtelSpan(self._outbox, name, kind, at, before, attributes)

    def close(self) -> None:
        """Send what has ended, within a second; nothing is recorded from now on."""
        self._closing.set()
        self._closer.join(CLOSE_WITHIN_S)

    def _close(self) -> None:
        self._closing.wait()
        self._provider.shutdown()

    def _root(self) -> tuple[None, int, TraceFlags]:
        ids = self._provider.id_generator
        trace_id = ids.generate_trace_id()
        random = TraceFlags.RANDOM_TRACE_ID if ids.is_trace_id_random() else TraceFlags.DEFAULT
        return None, trace_id, self._flags(Context(), trace_id, random)

    def _look_at(self, parent: str) -> tuple[SpanContext, int, TraceFlags]:
        """What the children of a span have in common: samplers decide by the parent and its
        trace."""
        _, trace_hex, span_hex, flags_hex = parent.split("-")
        trace_id, flags = int(trace_hex, 16), TraceFlags(int(flags_hex, 16))
        before = SpanContext(trace_id, int(span_hex, 16), is_remote=True, trace_flags=flags)
        context = set_span_in_context(NonRecordingSpan(before), Context())
        return before, trace_id, self._flags(context, trace_id, flags & TraceFlags.RANDOM_TRACE_ID)

    def _flags(self, parent: Context, trace_id: int, random: int) -> TraceFlags:
        decision = self._provider.sampler.should_sample(parent, trace_id, "").decision
        sampled = decision is Decision.RECORD_AND_SAMPLE
        return TraceFlags(random | (TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT))


def _traceparent(at: SpanContext) -> str:
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"
