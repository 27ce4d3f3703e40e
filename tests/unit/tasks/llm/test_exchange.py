"""A response is read as the standard has it, and a connection is used again only after its end."""

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from models.errors import UnusableAnswer
from tasks.llm.exchange import HEAD_BYTES
from tasks.llm.outgoing import Head, Outgoing
from tasks.llm.transport import Transport
from tasks.llm.watch import Watch
from tests.unit.tasks.llm.wire import CLOSE, HELLO, Wire, asking, serving

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = OK + b"Content-Length: 5\r\nX-A: a\r\nX-Empty:\r\n\r\nabcde"

# What a server keeps its connection open after.
KEPT = {
    "length": WHOLE,
    "chunks": CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + b"5 ;a=b\r\nabcde\r\n0\r\nX-T: t\r\n\r\n",
    "both lengths": OK
    + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 103 Early Hints\r\nX-T: t\r\n\r\n" + WHOLE,
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nabcde",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nabcde",
}
# What ends a connection.
ENDING = {
    "the end": OK + b"\r\nabcde" + CLOSE,
    "the end, coded": OK + b"Transfer-Encoding: identity\r\n\r\nabcde" + CLOSE,
    "a wish": OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nabcde",
    "a wish, and more": OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nabcdef",
    "an old version": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    "a second response": WHOLE + WHOLE,
    "what is none": WHOLE + b"more",
}
BROKEN = {
    "nothing": CLOSE,
    "half a head": OK + b"Content-Le" + CLOSE,
    "half a body": OK + b"Content-Length: 5\r\n\r\nabc" + CLOSE,
    "half a chunk": CHUNKED + b"5\r\nabc" + CLOSE,
    "no last chunk": CHUNKED + b"5\r\nabcde\r\n" + CLOSE,
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n" + CLOSE,
    "no length": OK + b"Content-Length: five\r\n\r\nabcde",
    "no chunk": CHUNKED + b"x\r\nabcde\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
    b"Upgrade: websocket\r\n\r\nabcde",
    "interim responses alone": b"HTTP/1.1 100 Continue\r\n\r\n" + CLOSE,
    "a long header": OK + b"X-A: " + b"a" * (HEAD_BYTES + 2**17),
    "many headers": OK + b"X-A: a\r\n" * (HEAD_BYTES // 8 + 2**14),
    "many interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * (HEAD_BYTES // 25 + 2**13),
}


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(True, {})
    yield made
    made.close()


@pytest.mark.parametrize("how", KEPT)
def test_a_response_is_read_and_its_connection_used_again(how: str, transport: Transport) -> None:
    ask = asking(transport)
    with serving(Wire(KEPT[how], KEPT[how])) as wire:
        first, second = ask(wire.url), ask(wire.url)

    assert (first.status_code, first.content) == (200, b"abcde")
    assert second.content == b"abcde"
    assert "x-t" not in first.headers
    assert len(set(wire.ports)) == 1
    assert wire.requests[0] == wire.requests[1]


@pytest.mark.parametrize("how", ENDING)
def test_a_connection_that_ended_is_not_used_again(how: str, transport: Transport) -> None:
    ask = asking(transport)
    with serving(Wire(ENDING[how], WHOLE)) as wire:
        assert ask(wire.url).content == b"abcde"
        assert ask(wire.url).content == b"abcde"

    assert len(set(wire.ports)) == 2


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_response_is_an_error(how: str, transport: Transport) -> None:
    ask = asking(transport)
    with serving(Wire(BROKEN[how], WHOLE)) as wire:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(wire.url)
        assert ask(wire.url).content == b"abcde"

    assert len(set(wire.ports)) == 2


def test_a_request_is_sent_as_it_is(transport: Transport) -> None:
    with serving(Wire(WHOLE)) as wire:
        response = asking(transport)(f"{wire.url}/a%20b?c=d")

    host = wire.url.split("/")[2].encode()
    assert wire.requests == [
        b"POST /v1/a%20b?c=d HTTP/1.1\r\nHost: " + host + b"\r\nX-Key: the-key\r\n"
        b"Content-Length: " + str(len(HELLO)).encode() + b"\r\n\r\n" + HELLO
    ]
    assert (response.headers["x-a"], response.headers["x-empty"]) == ("a", "")


def test_a_response_may_come_in_any_pieces(transport: Transport) -> None:
    whole = KEPT["interim responses"] + KEPT["chunks with extensions and trailers"]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            sock, _ = server.accept()
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(len(whole)):
                    sock.sendall(whole[at : at + 1])
                    time.sleep(0)

        thread = threading.Thread(target=drip)
        thread.start()
        response = asking(transport)(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()

    assert response.content == b"abcde"


def test_a_response_that_is_not_read_to_its_end_closes_its_connection(transport: Transport) -> None:
    with serving(Wire(OK + b"Content-Length: 99\r\n\r\nabc")) as wire:
        request = Outgoing(Head.of(httpx.URL(wire.url), httpx.Headers()), HELLO, 10)
        with Watch("m", 10, 10, 10**6) as watch:
            response = transport.send(request, watch)
            assert next(response.iter_raw()) == b"abc"

        assert wire.left.wait(10)


def test_a_body_beyond_the_limit_closes_its_connection(transport: Transport) -> None:
    with serving(Wire(WHOLE)) as wire:
        request = Outgoing(Head.of(httpx.URL(wire.url), httpx.Headers()), HELLO, 10)
        with Watch("m", 10, 10, 4) as watch:
            response = transport.send(request, watch)
            with pytest.raises(httpx.ReadError):
                response.read()

    assert isinstance(watch.failure, UnusableAnswer)


def test_an_answer_before_the_request_was_read_counts(transport: Transport) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            sock, _ = server.accept()
            with sock:
                sock.sendall(refusal)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(2**20):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        url = httpx.URL(f"http://127.0.0.1:{server.getsockname()[1]}/")
        request = Outgoing(Head.of(url, httpx.Headers()), b"a" * 10**7, 10)
        with Watch("m", 10, 10, 10**6) as watch:
            response = transport.send(request, watch)
            assert response.read() == b"no"
        thread.join()

    assert response.status_code == 413


def test_a_server_that_takes_no_connection_is_an_error(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

    with pytest.raises(httpx.ConnectError):
        asking(transport)(url)
    with pytest.raises(httpx.ConnectError):
        asking(transport)("http://no-such-host.invalid/")


def test_a_connection_that_its_server_closed_while_idle_is_not_used(transport: Transport) -> None:
    ask = asking(transport)
    with serving(Wire(WHOLE + CLOSE, WHOLE)) as wire:
        ask(wire.url)
        assert wire.closed.wait(10)
        assert ask(wire.url).content == b"abcde"

    assert len(set(wire.ports)) == 2
