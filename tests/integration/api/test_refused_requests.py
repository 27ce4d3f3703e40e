"""Malformed HTTP is refused in the same shape as any other refusal."""

import socket

import httpx

WELL = "GET /healthz HTTP/1.1\r\nHost: web\r\n\r\n"
POST = "POST /v1/jobs HTTP/1.1\r\nHost: web\r\nContent-Type: application/json\r\n"
REFUSED = {
    "two lengths": (400, POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    "a length and chunks": (
        400,
        POST + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ),
    "a negative length": (400, POST + "Content-Length: -1\r\n\r\n"),
    "a length that is no number": (400, POST + "Content-Length: 0x2\r\n\r\n{}"),
    "no HTTP": (400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "a space before the colon": (400, "GET / HTTP/1.1\r\nHost : web\r\n\r\n"),
    "a folded header": (400, "GET / HTTP/1.1\r\nHost: web\r\nX-A: b\r\n c\r\n\r\n"),
    "a zero byte": (400, "GET / HTTP/1.1\r\nHost: web\r\nX-A: b\0c\r\n\r\n"),
    "a long address": (414, f"GET /{'a' * 9000} HTTP/1.1\r\nHost: web\r\n\r\n"),
    "a long header": (431, f"GET / HTTP/1.1\r\nX-A: {'a' * 9000}\r\n\r\n"),
    "many headers": (431, "GET / HTTP/1.1\r\n" + "X-A: b\r\n" * 101 + "\r\n"),
    "endless headers": (431, "GET / HTTP/1.1\r\n" + f"X-A: {'b' * 8000}\r\n" * 9),
}


def test_what_is_no_request_gets_a_problem_and_the_connection_ends(serve, connect):
    serve()
    for name, (status, sent) in REFUSED.items():
        caller = connect()
        caller.sendall(sent.encode("latin-1"))

        head, body = answer_of(caller)

        assert head.startswith(f"HTTP/1.1 {status} "), (name, head)
        assert "Content-Type: application/problem+json" in head, name
        assert f'"status":{status}' in body, name
        assert "Server:" not in head, name


def test_requests_sent_at_once_are_answered_in_order(serve, connect):
    serve()
    caller = connect()
    other = WELL.replace("/healthz", "/nowhere")
    last = WELL.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")

    caller.sendall((WELL + other + last).encode())
    head, rest = answer_of(caller)

    assert head.startswith("HTTP/1.1 200 ")
    statuses = [line.split()[1] for line in rest.splitlines() if "HTTP/1.1 " in line]
    assert statuses == ["404", "200"]


def test_what_follows_a_refused_request_is_no_request(serve, connect):
    """Servers that disagree on a length see two requests in one: request smuggling."""
    serve()
    caller = connect()
    caller.sendall((REFUSED["two lengths"][1] + WELL).encode())

    head, rest = answer_of(caller)

    assert head.startswith("HTTP/1.1 400 ")
    assert "HTTP/1.1" not in rest


def test_a_client_that_expects_100_continue_is_answered_first(serve, connect):
    client = serve()
    expecting = "Expect: 100-continue\r\n" + whom(client)

    allowed = connect()
    allowed.sendall(f"{POST}{expecting}Content-Length: 19\r\n\r\n".encode())
    assert allowed.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    allowed.sendall(b'{"message":"hello"}')
    assert allowed.recv(12) == b"HTTP/1.1 202"

    refused = connect()
    refused.sendall(f"{POST}{expecting}Content-Length: 99000000\r\n\r\n".encode())
    assert answer_of(refused)[0].startswith("HTTP/1.1 413 ")


def test_under_v1_openais_packages_can_read_what_http_refuses(serve, connect):
    client = serve()
    caller = connect()
    path = POST.replace("/v1/jobs", "/v1/responses")
    caller.sendall(f"{path}{whom(client)}Content-Length: 99000000\r\n\r\n".encode())

    head, body = answer_of(caller)

    assert head.startswith("HTTP/1.1 413 ")
    assert '"error":{' in body.replace(" ", "")


def whom(client: httpx.Client) -> str:
    named = ("Authorization", "X-Trimind-User")
    return "".join(f"{name}: {client.headers[name]}\r\n" for name in named)


def test_a_client_of_http_1_0_gets_a_stream_without_chunks(serve, connect):
    client = serve()
    job = client.post("/v1/jobs", json={"message": "hello"}).json()["id"]
    client.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    caller = connect()

    caller.sendall(f"GET /v1/jobs/{job}/events HTTP/1.0\r\n{whom(client)}\r\n".encode())
    head, events = answer_of(caller)

    assert head.startswith("HTTP/1.1 200 ")
    assert "transfer-encoding" not in head.lower()
    assert events.startswith("retry: ")
    assert events.endswith("\n\n")
    assert "cancelled" in events


def answer_of(caller: socket.socket) -> tuple[str, str]:
    """The head of the first answer, and everything until the connection ends."""
    received = b""
    while more := caller.recv(64 * 1024):
        received += more
    head, _, rest = received.decode().partition("\r\n\r\n")
    return head, rest
