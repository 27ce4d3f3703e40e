"""Deferred answers, on our own server and on any other."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from flask import Flask, Response, g

from app.http.deferred import (
    AT_END,
    CONTINUATION,
    DEFERRABLE,
    Deferred,
    LineStream,
    at_end,
    defer,
)


@pytest.fixture
def flask() -> Flask:
    return Flask("test")


@pytest.fixture
def events() -> list[str]:
    return []


async def lines(events: list[str]) -> AsyncGenerator[str, None]:
    try:
        for line in ("one", "two"):
            await asyncio.sleep(0)
            yield line
    finally:
        events.append("closed")


def test_any_other_server_waits_in_the_thread_of_the_request(flask, events):
    async def wait() -> None:
        events.append("waited")

    with flask.test_request_context():
        assert defer(wait, lambda: Response("there")).data == b"there"
    assert events == ["waited"]


def test_our_server_is_handed_the_wait_and_what_comes_after_it(flask):
    async def wait() -> None: ...

    with flask.test_request_context(environ_base={DEFERRABLE: True}):
        g.user_id = "somebody"
        with pytest.raises(Deferred) as deferred:
            defer(wait, lambda: Response(g.user_id))

    assert not isinstance(deferred.value, Exception)  # so that it is never taken for a failure
    with flask.test_request_context():  # a later request, without any state
        assert deferred.value.then().data == b"somebody"


def test_a_wait_that_fails_is_answered_in_the_request_that_waited(flask):
    async def wait() -> None: ...

    with flask.test_request_context(environ_base={DEFERRABLE: True}):
        g.user_id = "somebody"
        with pytest.raises(Deferred) as deferred:
            defer(wait, lambda: Response("never"))
    go_on = deferred.value.failed(LookupError("gone"))

    with flask.test_request_context(environ_base={CONTINUATION: go_on}):
        with pytest.raises(LookupError, match="gone"):
            go_on()
        assert g.user_id == "somebody"


def test_a_stream_is_read_line_by_line_without_an_event_loop(events):
    assert list(LineStream(lines(events))) == [b"one", b"two"]
    assert events == ["closed"]


def test_a_stream_that_is_left_is_closed(events):
    reading: Iterator[bytes] = iter(LineStream(lines(events)))
    assert next(reading) == b"one"

    reading.close()  # type: ignore[attr-defined]

    assert events == ["closed"]


def test_what_is_to_be_done_at_the_end_is_left_with_our_server(flask):
    calls: list[Any] = []
    told: list[bool] = []
    with flask.test_request_context(environ_base={AT_END: calls}):
        at_end(told.append)
    assert (len(calls), told) == (1, [])

    calls[0](False)

    assert told == [False]


def test_any_other_server_closes_the_response_at_the_end(flask):
    told: list[bool] = []

    @flask.get("/")
    def view() -> str:
        at_end(told.append)
        return "there"

    flask.test_client().get("/").close()

    assert told == [True]
