"""Streams that break off, over and over."""

import json
from typing import Any

import pytest

from trimind import ApiError, UnexpectedAnswer

from ...clients import Ask
from .conftest import Answer, Script, shown

KEY = "tm_secret"
ONE = {"type": "job.queued", "sequence_number": 1}
TWO = {"type": "job.delta", "sequence_number": 6, "text": "Paris"}
END = {"type": "job.completed", "sequence_number": 7, "job": {"id": "job_1"}}


def sent(event: dict[str, Any]) -> bytes:
    return f"id: {event['sequence_number']}\ndata: {json.dumps(event)}\n\n".encode()


def stream(*events: dict[str, Any], rest: bytes = b"") -> Answer:
    return Answer(200, b"".join(map(sent, events)) + rest)


def test_a_stream_that_breaks_off_continues_after_its_last_event(ask: Ask, server: Script) -> None:
    server.say(stream(ONE), Answer(None), stream(TWO, rest=sent(END)[:-5]), stream(END))
    assert ask(server.url, KEY, "follow", "job_1") == [ONE, TWO, END]
    assert [request.line.partition("?")[2] for request in server.requests] == [
        "",
        "starting_after=1",
        "starting_after=1",
        "starting_after=6",
    ]


def test_nothing_is_read_after_the_last_event(ask: Ask, server: Script) -> None:
    server.say(stream(ONE, END, TWO))
    assert ask(server.url, KEY, "follow", "job_1") == [ONE, END]
    assert len(server.requests) == 1


def test_a_stream_without_anything_more_ends(ask: Ask, server: Script) -> None:
    server.say(stream(ONE), Answer(204))
    assert ask(server.url, KEY, "follow_conversation", "conv_1") == [ONE]


def test_a_full_server_is_asked_again(ask: Ask, server: Script) -> None:
    full = {"code": "too_many_streams", "detail": "Too many open streams."}
    server.say(shown(full, 429, Retry_After="0"), stream(END))
    assert ask(server.url, KEY, "follow", "job_1") == [END]


def test_a_refusal_ends_the_stream(ask: Ask, server: Script) -> None:
    server.say(stream(ONE), shown({"code": "not_found", "detail": "No such job."}, 404))
    with pytest.raises(ApiError, match="No such job"):
        ask(server.url, KEY, "follow", "job_1")


@pytest.mark.parametrize("data", [b"[]", b"{", b"null", b"[" * 99_999])
def test_an_event_that_is_not_ours_ends_the_stream(ask: Ask, server: Script, data: bytes) -> None:
    server.say(Answer(200, b"data: " + data + b"\n\n"))
    with pytest.raises(UnexpectedAnswer):
        ask(server.url, KEY, "follow", "job_1")
    assert len(server.requests) == 1
