"""Connections: TLS, limits of time, and how many are kept."""

import socket
import ssl
from contextlib import ExitStack

import httpx
import pytest

from tasks.llm.connection import Connection, Origin
from tasks.llm.transport import Connections, Transport
from tests.unit.tasks.llm.wire import Wire, asking, serving, trusting

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"


def test_a_certificate_is_verified_by_the_given_authorities() -> None:
    transport = Transport(trusting(), {})
    ask = asking(transport)
    with serving(Wire(ANSWER, ANSWER, tls=True)) as wire:
        assert ask(wire.url).content == b"abcde"
        assert ask(wire.url).content == b"abcde"
        transport.close()

    assert len(set(wire.ports)) == 1


@pytest.mark.parametrize("wrong", ["authority", "host"])
def test_a_certificate_that_is_wrong_is_refused(wrong: str) -> None:
    transport = Transport(True if wrong == "authority" else trusting(), {})
    with serving(Wire(ANSWER, tls=True)) as wire:
        url = wire.url if wrong == "authority" else wire.url.replace("127.0.0.1", "localhost")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            asking(transport)(url)

    assert wire.requests == []


def test_a_server_that_is_silent_while_connecting_ends_the_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        origin = Origin("https", "127.0.0.1", server.getsockname()[1])
        with pytest.raises(httpx.ConnectTimeout):
            Connection(origin, trusting(), 0.1)


@pytest.mark.parametrize("tls", [False, True])
def test_silence_ends_a_call_and_its_connection(tls: bool) -> None:
    transport = Transport(trusting(), {})
    half = ANSWER.removesuffix(b"cde")
    with serving(Wire(half, tls=tls)) as wire:
        with pytest.raises(httpx.ReadTimeout, match="was silent for"):
            asking(transport, silence_s=0.1)(wire.url)

        assert wire.left.wait(10)


def test_the_newest_idle_connections_are_kept() -> None:
    connections = Connections(ssl.create_default_context(), most=3)
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server, ExitStack() as exits:
        origin = Origin("http", "127.0.0.1", server.getsockname()[1])
        made = [connections.take(origin, 10) for _ in range(5)]
        accepted = [exits.enter_context(server.accept()[0]) for _ in made]
        for each in made:
            connections.leave(each, is_reusable=True)

        assert [sock.recv(1) for sock in accepted[:2]] == [b"", b""]
        again = [connections.take(origin, 10) for _ in range(3)]
        assert again == [made[4], made[3], made[2]]
        for each in again:
            each.close()


def test_an_origin_has_its_own_connections() -> None:
    transport = Transport(True, {})
    ask = asking(transport)
    with serving(Wire(ANSWER, ANSWER)) as one, serving(Wire(ANSWER, ANSWER)) as other:
        for url in (one.url, other.url, one.url, other.url):
            assert ask(url).content == b"abcde"
        transport.close()

    assert len(set(one.ports)) == len(set(other.ports)) == 1


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.test/v1", ("https", "api.test", 443)),
        ("http://api.test", ("http", "api.test", 80)),
        ("http://[::1]:8080/v1", ("http", "::1", 8080)),
        ("https://grüße.test", ("https", "xn--gre-6ka8l.test", 443)),
    ],
)
def test_an_origin_is_that_of_a_url(url: str, origin: tuple[str, str, int]) -> None:
    assert Origin.of(httpx.URL(url)) == origin


@pytest.mark.parametrize("url", ["ftp://api.test", "api.test/v1", ""])
def test_a_url_of_another_protocol_is_refused(url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        Origin.of(httpx.URL(url))
