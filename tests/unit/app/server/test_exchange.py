"""A request and its response, between the event loop and the threads of views."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from flask import Flask

from app.http.deferred import after_view
from app.server.environ import environ_of
from app.server.exchange import Exchange

SCOPE = {
    "method": "GET", "raw_path": b"/", "query_string": b"", "http_version": "1.1",
    "scheme": "http", "headers": [(b"host", b"test")],
}  # fmt: skip


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def answer(pool: ThreadPoolExecutor, view: Callable[[], str]) -> list[dict[str, Any]]:
    """What is sent for a request to an application with this view."""
    flask, sent = Flask("test"), []
    flask.add_url_rule("/", view_func=view)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    exchange = Exchange(receive, send, pool, lambda: None, send_within_s=10)
    await exchange.answer(flask, environ_of(SCOPE, b"", None), lambda: None)
    return sent


def test_what_follows_a_view_does_not_delay_its_response(pool: ThreadPoolExecutor) -> None:
    answered, followed = threading.Event(), threading.Event()
    bound: list[dict[str, Any]] = []

    def follow() -> None:
        assert answered.wait(10)
        bound.append(structlog.contextvars.get_contextvars())
        followed.set()

    def view() -> str:
        structlog.contextvars.bind_contextvars(request_id="req_1")
        after_view(follow)
        structlog.contextvars.clear_contextvars()
        return "there"

    sent = asyncio.run(answer(pool, view))

    assert [message.get("body") for message in sent] == [None, b"there"]
    assert not followed.is_set()
    answered.set()
    assert followed.wait(10)
    assert bound == [{"request_id": "req_1"}]


def test_what_fails_after_a_view_is_logged_and_the_rest_is_done(
    pool: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    followed = threading.Event()

    def fail() -> None:
        raise LookupError("gone")

    def view() -> str:
        after_view(fail)
        after_view(followed.set)
        return "there"

    sent = asyncio.run(answer(pool, view))

    assert sent[0]["status"] == 200
    assert followed.wait(10)
    assert "gone" in capsys.readouterr().out


def test_an_error_outside_of_the_application_reaches_the_server(pool: ThreadPoolExecutor) -> None:
    def view() -> str:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        asyncio.run(answer(pool, view))
