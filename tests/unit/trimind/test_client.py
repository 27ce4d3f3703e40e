"""Both clients with a server that gives bad answers, or none."""

import gzip
import inspect
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from trimind import (
    ApiError,
    AsyncClient,
    Client,
    FieldError,
    TimedOut,
    TrimindClientError,
    UnexpectedAnswer,
    Unreachable,
)

from ...clients import Ask
from .conftest import Answer, Script, shown

KEY = "tm_secret"
JOB = {"id": "job_1", "status": "queued"}
PROBLEM = {
    "code": "invalid_request",
    "detail": "message: is required",
    "request_id": "req_1",
    "errors": [{"field": "message", "code": "missing", "message": "is required"}],
}
BUSY = {"code": "too_many_requests", "detail": "Too many requests.", "request_id": "req_2"}


def public(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def test_both_clients_have_the_same_methods_with_the_same_words() -> None:
    assert public(Client).keys() == public(AsyncClient).keys()
    for name, method in public(Client).items():
        other = public(AsyncClient)[name]
        mine, others = inspect.signature(method), inspect.signature(other)
        assert list(mine.parameters) == list(others.parameters)
        if name != "iterate":  # it takes a method that is awaited
            assert mine.parameters == others.parameters
        assert method.__doc__ == other.__doc__
        assert method.__doc__


def test_a_refusal_has_its_status_code_field_and_request_id(ask: Ask, server: Script) -> None:
    server.say(shown(PROBLEM, 422))
    with pytest.raises(ApiError) as refusal:
        ask(server.url, KEY, "submit", "")
    error = refusal.value
    assert (error.status, error.code, error.request_id) == (422, "invalid_request", "req_1")
    assert (error.field, error.retry_after) == ("message", None)
    assert error.errors == (FieldError("message", "missing", "is required"),)
    assert str(error) == "message: is required (422 invalid_request)"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"code": 1}', b'{"code": "a", "detail": "b", "errors": [1]}', b"[" * 9999],
)
def test_a_refusal_that_is_not_ours_is_one_too(ask: Ask, server: Script, body: bytes) -> None:
    server.say(Answer(500, body))
    with pytest.raises(ApiError) as refusal:
        ask(server.url, KEY, "job", "job_1")
    assert (refusal.value.status, refusal.value.code) == (500, "unknown")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "ftp://x"])
def test_an_address_without_a_server_is_named(ask: Ask, url: str) -> None:
    with pytest.raises(Unreachable, match=url):
        ask(url, KEY, "job", "job_1", retries=0)


def test_an_address_that_is_none_is_refused_at_once(ask: Ask) -> None:
    with pytest.raises(Unreachable, match="not a valid URL"):
        ask("http://a:b", KEY, "job", "job_1")


@pytest.mark.parametrize(
    "lost",
    [Answer(None), shown(BUSY, 429, Retry_After="0"), shown(BUSY, 503, Retry_After="0")],
    ids=["lost", "429", "503"],
)
def test_what_is_created_is_sent_again_with_the_same_key(
    ask: Ask, server: Script, lost: Answer
) -> None:
    server.say(lost, lost, shown(JOB, 202))
    assert ask(server.url, KEY, "submit", "Hello") == JOB
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert (len(keys), len(set(keys))) == (3, 1)
    assert {request.body for request in server.requests} == {b'{"message":"Hello"}'}


def test_each_creation_has_a_key_of_its_own_or_the_given_one(ask: Ask, server: Script) -> None:
    server.say(shown(JOB, 202))
    for options in ({}, {}, {"idempotency_key": "mine"}):
        ask(server.url, KEY, "submit", "Hello", **options)
    first, second, third = (request.headers["idempotency-key"] for request in server.requests)
    assert first != second
    assert third == "mine"


def test_an_equal_request_in_progress_is_waited_for(ask: Ask, server: Script) -> None:
    first = {"code": "idempotency_in_progress", "detail": "The first request is in progress."}
    server.say(shown(first, 409, Retry_After="0"), shown(JOB, 202))
    assert ask(server.url, KEY, "submit", "Hello") == JOB


@pytest.mark.parametrize("method", ["job", "cancel"])
def test_the_number_of_retries_is_limited(ask: Ask, server: Script, method: str) -> None:
    server.say(shown(BUSY, 503, Retry_After="0"))
    with pytest.raises(ApiError) as refusal:
        ask(server.url, KEY, method, "job_1", retries=2)
    assert (refusal.value.code, refusal.value.retry_after) == ("too_many_requests", 0)
    assert len(server.requests) == 3


@pytest.mark.parametrize("after", ["3600", formatdate(9_999_999_999, usegmt=True)])
def test_who_shall_wait_for_long_is_told_at_once(ask: Ask, server: Script, after: str) -> None:
    server.say(shown(BUSY, 429, Retry_After=after))
    with pytest.raises(ApiError) as refusal:
        ask(server.url, KEY, "job", "job_1")
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after >= 3600
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_does_not_carry_the_key_anywhere(
    ask: Ask, server: Script, new_server: Callable[[], Script], status: int
) -> None:
    other = new_server()
    other.say(shown(JOB))
    server.say(Answer(status, headers={"Location": f"{other.url}/v1/jobs/job_1"}))
    for method in ("job", "submit", "follow"):
        with pytest.raises(ApiError, match="redirects"):
            ask(server.url, KEY, method, "job_1")
    assert other.requests == []


@pytest.mark.parametrize("method", ["job", "follow"])
@pytest.mark.parametrize("endless", [b"a" * 65_536, b"data: " + b"a" * 65_536 + b"\n"])
def test_an_endless_answer_does_not_fill_the_memory(
    ask: Ask, server: Script, method: str, endless: bytes
) -> None:
    server.say(Answer(200, endless=endless))
    with pytest.raises(UnexpectedAnswer, match="larger than"):
        ask(server.url, KEY, method, "job_1")


def test_an_endless_refusal_does_not_either(ask: Ask, server: Script) -> None:
    server.say(Answer(404, endless=b"a" * 65_536))
    for method in ("job", "follow"):
        with pytest.raises(UnexpectedAnswer, match="larger than"):
            ask(server.url, KEY, method, "job_1")


def test_a_compressed_answer_that_nobody_asked_for_is_not_expanded(
    ask: Ask, server: Script
) -> None:
    bomb = gzip.compress(b"a" * 10_000_000)
    server.say(Answer(200, bomb, {"Content-Encoding": "gzip"}))
    with pytest.raises(UnexpectedAnswer):
        ask(server.url, KEY, "job", "job_1")
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b"[" * 99_999, b"\xff"])
def test_a_success_that_is_not_ours_is_unexpected(ask: Ask, server: Script, body: bytes) -> None:
    server.say(Answer(200, body))
    for method, arguments in (("job", ["job_1"]), ("jobs", []), ("submit", ["Hello"])):
        with pytest.raises(UnexpectedAnswer):
            ask(server.url, KEY, method, *arguments)


@pytest.mark.parametrize("an_id", ["", "..", "a/b", "a?b", "job_1\n", "x" * 65])
def test_what_is_no_id_is_not_sent(ask: Ask, server: Script, an_id: str) -> None:
    for method in ("job", "cancel", "wait", "follow", "read_broadcast"):
        with pytest.raises(TrimindClientError, match="is no id"):
            ask(server.url, KEY, method, an_id)
    assert server.requests == []


@pytest.mark.parametrize("key", ["tm_a\nb", "tm_ä", "tm_a\x00"])
def test_a_malformed_key_is_refused_and_not_shown(ask: Ask, server: Script, key: str) -> None:
    with pytest.raises(TrimindClientError, match="The key is malformed") as refusal:
        ask(server.url, key, "job", "job_1")
    assert key not in str(refusal.value)


def test_a_malformed_header_is_named_without_the_key(ask: Ask, server: Script) -> None:
    with pytest.raises(Unreachable, match="a header is malformed") as refusal:
        ask(server.url, KEY, "submit", "Hello", idempotency_key="a\nb")
    assert KEY not in str(refusal.value)


def test_a_password_in_the_address_is_not_shown(ask: Ask) -> None:
    with pytest.raises(Unreachable) as refusal:
        ask("http://user:word@127.0.0.1:9", KEY, "job", "job_1", retries=0)
    assert "word" not in str(refusal.value)


def test_a_wait_ends_with_the_time_that_it_was_given(ask: Ask, server: Script) -> None:
    server.say(shown(JOB, Retry_After="1"))
    with pytest.raises(TimedOut, match="It goes on"):
        ask(server.url, KEY, "wait", "job_1", timeout_s=0.2)


def test_a_wait_asks_the_server_to_wait(ask: Ask, server: Script) -> None:
    done = JOB | {"status": "completed"}
    server.say(shown(JOB, Preference_Applied="wait=20"), shown(done))
    assert ask(server.url, KEY, "wait", "job_1") == done
    assert [request.headers["prefer"] for request in server.requests] == ["wait=20", "wait=20"]


def test_a_page_says_where_the_next_one_begins(ask: Ask, server: Script) -> None:
    server.say(shown({"data": [JOB], "has_more": True, "last_id": "job_1"}))
    page = ask(server.url, KEY, "jobs", status="queued", limit=1, after=None)
    assert (page, page.has_more, page.last_id) == ([JOB], True, "job_1")
    assert server.requests[0].line == "GET /v1/jobs?status=queued&limit=1"
