"""A request continues its caller's trace, also while this process records none."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.http.deferred import resumption
from tasks.tracing.spans import UNRECORDED, current_span, set_current_span

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_view_is_where_its_caller_is(app: Flask, method: str) -> None:
    app.add_url_rule("/here", view_func=lambda: [current_span().traceparent], methods=[method])
    caller = app.test_client()

    assert caller.open("/here", method=method, headers={"traceparent": SENT}).json == [SENT]
    assert caller.open("/here", method=method, headers={"traceparent": "x"}).json == [None]
    assert caller.open("/here", method=method).json == [None]


def test_the_thread_is_in_no_trace_afterwards(client: FlaskClient) -> None:
    client.get("/healthz", headers={"traceparent": SENT})

    assert current_span() is UNRECORDED


def test_the_request_is_logged_with_the_trace(
    client: FlaskClient, capfd: pytest.CaptureFixture[str]
) -> None:
    client.get("/nowhere", headers={"traceparent": SENT})

    assert TRACE in "".join(capfd.readouterr())


def test_a_view_that_has_waited_is_where_it_was(app: Flask) -> None:
    with app.test_request_context("/", headers={"traceparent": SENT}):
        app.preprocess_request()
        resume = resumption()
    set_current_span(UNRECORDED)

    with app.test_request_context("/"):
        assert resume(lambda: current_span().traceparent) == SENT
    set_current_span(UNRECORDED)
