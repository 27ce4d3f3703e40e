"""Where in a trace a thread is."""

import pytest

from tasks.tracing.spans import (
    UNRECORDED,
    Span,
    current_span,
    set_current_span,
    trace_id,
    valid_traceparent,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_traceparent_is_taken_as_it_is() -> None:
    for flags in ("00", "01", "03"):
        sent = f"00-{TRACE}-{SPAN}-{flags}"
        assert valid_traceparent(sent) == sent
        assert trace_id(sent) == TRACE


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
    ],
)
def test_any_other_is_ignored(sent: str | None) -> None:
    assert valid_traceparent(sent) is None


def test_a_span_that_is_not_recorded_takes_everything_and_hides_no_error() -> None:
    span = Span("somewhere")
    span.set({"a": 1})
    span.fail("late")
    span.end()
    with pytest.raises(ZeroDivisionError), span:
        raise ZeroDivisionError


def test_a_thread_is_in_no_span_until_one_is_set() -> None:
    assert current_span() is UNRECORDED
    set_current_span(here := Span("here"))
    assert current_span() is here
    set_current_span(UNRECORDED)
