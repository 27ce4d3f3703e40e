"""Calls through a proxy."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tasks.llm.transport import Transport
from tests.unit.tasks.llm.wire import HELLO, Wire, asking, serving, trusting

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"
PASSWORD = "Basic dXNlcjpwYXNz"


class Proxy(ThreadingHTTPServer):
    """A proxy that leads every tunnel to a server of ours.

    Attributes:
        asked: each tunnel's target and the password that came with it.
        status: what it answers.
    """

    daemon_threads = True

    def __init__(self, wire: Wire) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to = ("127.0.0.1", int(wire.server_address[1]))
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []

    def transport(self) -> Transport:
        """Return a transport that uses it for everything but loopback."""
        url = f"http://user:pass@127.0.0.1:{self.server_address[1]}"
        return Transport(trusting(), {"ALL_PROXY": url})


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_CONNECT(self) -> None:
        self.server.asked.append((self.path, self.headers["Proxy-Authorization"]))
        self.send_response(self.server.status)
        self.end_headers()
        if self.server.status == 200:
            with socket.create_connection(self.server.to) as far:
                back = threading.Thread(target=_pump, args=(far, self.connection))
                back.start()
                _pump(self.connection, far)
                back.join()

    def log_message(self, *_: object) -> None:
        """Suppress the access log."""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # either side may leave
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def through() -> Iterator[Callable[[Wire], Proxy]]:
    """`through(wire)`: a proxy whose tunnels lead to this server."""
    with ExitStack() as servers:

        def start(wire: Wire) -> Proxy:
            servers.enter_context(serving(wire))
            proxy = servers.enter_context(Proxy(wire))
            thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            servers.callback(thread.join)
            servers.callback(proxy.shutdown)
            return proxy

        yield start


def test_a_call_goes_through_a_tunnel_that_is_used_again(
    through: Callable[[Wire], Proxy],
) -> None:
    wire = Wire(ANSWER, ANSWER, tls=True)
    proxy = through(wire)
    transport = proxy.transport()
    ask = asking(transport)

    assert [ask("https://provider.test/v1").content for _ in range(2)] == [b"abcde"] * 2
    transport.close()

    assert proxy.asked == [("provider.test:443", PASSWORD)]
    assert [request.endswith(HELLO) for request in wire.requests] == [True, True]
    assert PASSWORD.encode() not in b"".join(wire.requests)


def test_a_call_without_tls_is_forwarded(through: Callable[[Wire], Proxy]) -> None:
    wire = Wire(ANSWER)
    proxy = through(wire)
    # A proxy that is asked for the whole URL, which our server answers itself.
    url = f"http://user:pass@127.0.0.1:{wire.server_address[1]}"
    transport = Transport(trusting(), {"HTTP_PROXY": url})

    assert asking(transport)("http://provider.test/v1").content == b"abcde"
    transport.close()

    assert proxy.asked == []
    assert wire.requests[0].startswith(b"POST http://provider.test/v1 HTTP/1.1\r\n")
    assert PASSWORD.encode() in wire.requests[0]


def test_silence_ends_a_call_through_a_proxy(through: Callable[[Wire], Proxy]) -> None:
    wire = Wire(ANSWER.removesuffix(b"cde"), tls=True)
    transport = through(wire).transport()

    with pytest.raises(httpx.ReadTimeout, match="was silent for"):
        asking(transport, silence_s=0.1)("https://provider.test/v1")

    assert wire.left.wait(10)
    transport.close()


def test_a_tunnel_that_a_proxy_refuses_is_an_error(through: Callable[[Wire], Proxy]) -> None:
    wire = Wire(tls=True)
    proxy = through(wire)
    proxy.status = 407

    with pytest.raises(httpx.ProxyError, match="407"):
        asking(proxy.transport())("https://provider.test/v1")

    assert wire.requests == []
