"""Spans on their way to OpenTelemetry."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from tasks.tracing.recording import OtelSpan, Outbox, ProcessResource

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
AT = SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=False, trace_flags=TraceFlags(1))


def span_for(sent: list[ReadableSpan], max_chars: int | None = None) -> OtelSpan:
    resource = ProcessResource({"service.name": "x"})
    outbox = Outbox(sent.append, resource, InstrumentationScope("x"), max_chars)
    return OtelSpan(outbox, "x", "server", AT, None, {"a": "12345", "b": 12345})


def test_a_span_is_sent_once_with_what_it_had_at_its_end() -> None:
    sent: list[ReadableSpan] = []
    span = span_for(sent)
    assert span.traceparent == f"00-{TRACE}-{SPAN}-01"
    span.set({"c": True})
    span.end()
    span.set({"d": 1})
    span.end()
    [ended] = sent
    assert ended.attributes == {"a": "12345", "b": 12345, "c": True}
    assert ended.status.status_code is StatusCode.UNSET
    assert ended.start_time is not None
    assert ended.end_time is not None
    assert ended.start_time <= ended.end_time


def test_the_first_error_of_a_span_counts() -> None:
    sent: list[ReadableSpan] = []
    try:
        with span_for(sent) as span:
            span.fail("rate_limited")
            raise ValueError
    except ValueError:
        pass
    [ended] = sent
    assert ended.status.status_code is StatusCode.ERROR
    assert ended.attributes is not None
    assert ended.attributes["error.type"] == "rate_limited"


def test_texts_are_cut_where_opentelemetrys_limit_says() -> None:
    sent: list[ReadableSpan] = []
    span_for(sent, max_chars=3).end()
    assert sent[0].attributes == {"a": "123", "b": 12345}
