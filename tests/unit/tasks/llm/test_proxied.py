"""Calls through a proxy."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tasks.llm.transport import Transport
from tests.tunnel import Tunnels, tunnels
from tests.unit.tasks.llm.wire import HELLO, Wire, asking, serving, trusting

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"
PASSWORD = "Basic dXNlcjpwYXNz"


def by(proxy: Tunnels) -> Transport:
    """A transport that uses a proxy for everything but loopback."""
    return Transport(trusting(), {"ALL_PROXY": proxy.url})


@pytest.fixture
def through() -> Iterator[Callable[[Wire], Tunnels]]:
    """`through(wire)`: a proxy whose tunnels lead to this server."""
    with ExitStack() as servers:

        def start(wire: Wire) -> Tunnels:
            servers.enter_context(serving(wire))
            return servers.enter_context(tunnels(("127.0.0.1", int(wire.server_address[1]))))

        yield start


def test_a_call_goes_through_a_tunnel_that_is_used_again(
    through: Callable[[Wire], Tunnels],
) -> None:
    wire = Wire(ANSWER, ANSWER, tls=True)
    proxy = through(wire)
    transport = by(proxy)
    ask = asking(transport)

    assert [ask("https://provider.test/v1").content for _ in range(2)] == [b"abcde"] * 2
    transport.close()

    assert proxy.asked == [("provider.test:443", PASSWORD)]
    assert [request.endswith(HELLO) for request in wire.requests] == [True, True]
    assert PASSWORD.encode() not in b"".join(wire.requests)


def test_a_call_without_tls_is_forwarded(through: Callable[[Wire], Tunnels]) -> None:
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


def test_silence_ends_a_call_through_a_proxy(through: Callable[[Wire], Tunnels]) -> None:
    wire = Wire(ANSWER.removesuffix(b"cde"), tls=True)
    transport = by(through(wire))

    with pytest.raises(httpx.ReadTimeout, match="was silent for"):
        asking(transport, silence_s=0.1)("https://provider.test/v1")

    assert wire.left.wait(10)
    transport.close()


def test_a_tunnel_that_a_proxy_refuses_is_an_error(through: Callable[[Wire], Tunnels]) -> None:
    wire = Wire(tls=True)
    proxy = through(wire)
    proxy.status = 407

    with pytest.raises(httpx.ProxyError, match="407"):
        asking(by(proxy))("https://provider.test/v1")

    assert wire.requests == []
