"""Broken streams each end in time with an error of ours."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from models.errors import (
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    Superseded,
    TrimindError,
)
from tasks.execution.work import Work
from tasks.llm.gateway import ask_json, stream
from tasks.llm.models import Target

HELLO = [{"role": "user", "content": "Hello"}]
PING = {"openai": b": ping\n\n", "anthropic": b'event: ping\ndata: {"type":"ping"}\n\n'}
At = Callable[..., Target]
Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


def chunk(text: str | None, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"


FIRST = {
    "openai": chunk("Once"),
    "anthropic": b'data: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Once"}}\n\n',
}


def begin(handler: BaseHTTPRequestHandler) -> None:
    """The head of a stream that ends when the connection does."""
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()


def streamed(*parts: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        for part in parts:
            handler.wfile.write(part)

    return answer


def refused(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    body = b'{"error": {"message": "no, the-key is wrong", "type": "some_error"}}'

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_refused_connection_is_transient(protocol: str, target_at: At, work: Work) -> None:
    with pytest.raises(ProviderUnavailable, match="is unreachable"):
        stream(target_at("http://127.0.0.1:9", protocol), HELLO, work, limit_s=5)


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_silence_ends_a_stream(protocol: str, serve: Serve, target_at: At, work: Work) -> None:
    over = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        streamed(FIRST[protocol])(handler)
        over.wait(30)

    target = target_at(serve(silent), protocol, idle_s=0.2)
    with pytest.raises(ProviderUnavailable):
        stream(target, HELLO, work, limit_s=20)
    over.set()


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_stream_of_pings_ends_at_the_calls_limit(
    protocol: str, serve: Serve, target_at: At, work: Work
) -> None:
    left = threading.Event()
    target = target_at(serve(_pinging(protocol, left)), protocol)

    with pytest.raises(ProviderUnavailable, match="took longer than"):
        stream(target, HELLO, work, limit_s=0.5)

    assert left.wait(10), "the connection stayed open"


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_stream_that_nobody_wants_is_left_and_its_connection_closed(
    protocol: str, serve: Serve, target_at: At, work: Work
) -> None:
    left = threading.Event()
    target = target_at(serve(_pinging(protocol, left, then=work.stop)), protocol)

    with pytest.raises(Superseded):
        stream(target, HELLO, work, limit_s=20)

    assert left.wait(10), "the connection stayed open"


def _pinging(
    protocol: str, left: threading.Event, then: threading.Event | None = None
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        streamed(FIRST[protocol])(handler)
        try:
            for _ in range(2000):
                handler.wfile.write(PING[protocol])
                if then is not None:
                    then.set()
                left.wait(0.01)
        except OSError:
            left.set()

    return answer


def test_a_question_answered_byte_by_byte_ends_at_its_limit(serve: Serve, target_at: At) -> None:
    left = threading.Event()

    with pytest.raises(ProviderUnavailable, match="took longer than"):
        ask_json(target_at(serve(_pinging("openai", left))), HELLO, {}, limit_s=0.3, max_tokens=5)


def test_a_stream_that_just_ends_broke_off(serve: Serve, target_at: At, work: Work) -> None:
    with pytest.raises(ProviderUnavailable, match="broke off"):
        stream(target_at(serve(streamed(chunk("Once")))), HELLO, work, limit_s=5)


def test_tokens_are_counted_where_the_server_names_none(
    serve: Serve, target_at: At, work: Work
) -> None:
    whole = streamed(chunk("Once upon"), chunk(None, "stop"), b"data: [DONE]\n\n")

    made = stream(target_at(serve(whole)), HELLO, work, limit_s=5)

    assert (made.text, made.finish_reason) == ("Once upon", "stop")
    assert made.input_tokens > 0
    assert made.output_tokens > 0


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_an_error_within_a_stream_is_transient(
    protocol: str, serve: Serve, target_at: At, work: Work
) -> None:
    error = b'data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    target = target_at(serve(streamed(FIRST[protocol], error)), protocol)

    with pytest.raises(ProviderUnavailable):
        stream(target, HELLO, work, limit_s=5)


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("status", "named"),
    [
        (400, ProviderRejected),
        (401, ProviderMisconfigured),
        (403, ProviderMisconfigured),
        (404, ProviderMisconfigured),
        (422, ProviderRejected),
        (429, RateLimited),
        (500, ProviderUnavailable),
        (502, ProviderUnavailable),
        (503, ProviderUnavailable),
        (529, ProviderUnavailable),
    ],
)
def test_a_status_has_its_name_and_the_key_stays_secret(
    protocol: str,
    status: int,
    named: type[TrimindError],
    serve: Serve,
    target_at: At,
    work: Work,
    capfd: pytest.CaptureFixture[str],
) -> None:
    target = target_at(serve(refused(status)), protocol)

    with pytest.raises(named) as caught:
        stream(target, HELLO, work, limit_s=5)

    assert type(caught.value) is named
    assert "the-key" not in str(caught.value)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_named_wait_is_kept(
    protocol: str, status: int, serve: Serve, target_at: At, work: Work
) -> None:
    target = target_at(serve(refused(status, retry_after="17")), protocol)

    with pytest.raises((RateLimited, ProviderUnavailable)) as caught:
        stream(target, HELLO, work, limit_s=5)
    with pytest.raises((RateLimited, ProviderUnavailable)) as asked:
        ask_json(target, HELLO, {}, limit_s=5, max_tokens=5)

    assert caught.value.retry_after == 17
    assert asked.value.retry_after == 17


def test_work_that_is_not_wanted_is_not_paid_for(serve: Serve, target_at: At, work: Work) -> None:
    asked = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        streamed(chunk("Once"))(handler)

    work.stop.set()
    with pytest.raises(Superseded):
        stream(target_at(serve(answer)), HELLO, work, limit_s=5)

    assert not asked.is_set()


class Keeping(ThreadingHTTPServer):
    """A server that keeps connections open, and each request's port. It answers when `together`
    requests are there."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), KeepingHandler)
        self.ports: list[int] = []
        self.together = threading.Barrier(1)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class KeepingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Keeping

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.ports.append(self.client_address[1])
        self.server.together.wait(20)
        body = json.dumps({"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]})
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Suppress the access log."""


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    with Keeping() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_connection_is_used_again_the_last_one_first(keeping: Keeping, target_at: At) -> None:
    target = target_at(keeping.url)

    def ask(_: int) -> str:
        return ask_json(target, HELLO, {}, limit_s=20, max_tokens=5)

    keeping.together = threading.Barrier(3)
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(ask, range(3))) == ["{}"] * 3
    keeping.together = threading.Barrier(1)
    assert [ask(each) for each in range(4)] == ["{}"] * 4

    beside, after = keeping.ports[:3], keeping.ports[3:]
    assert len(set(beside)) == 3
    assert len(set(after)) == 1
    assert after[0] in beside
