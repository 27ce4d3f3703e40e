"""Clients that send half a request, or read nothing, slow down no other client."""

import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psutil
import pytest

HELLO = {"message": "hello"}
# More than a web process works on at once.
CLIENTS = 80
# Streams, and as many waits, where two views may run at once.
STAYING = 40
HALVES = {
    "headers": "GET /healthz HTTP/1.1\r\nHost: web\r\nX-Slow: ",
    "body": "POST /v1/jobs HTTP/1.1\r\nHost: web\r\nContent-Length: 99\r\n\r\n{",
    "refused": "POST /v1/jobs HTTP/1.1\r\nHost: web\r\nContent-Length: 70000\r\n\r\n" + "f" * 70000,
    "close": "GET /healthz HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n",
    "nothing": "",
}
BROKEN = {
    "negative": b"-1\r\nx\r\n0\r\n\r\n",
    "0x": b"0x1\r\nx\r\n0\r\n\r\n",
    "bare line feeds": b"1\nx\n0\n\n\r\n\r\n",
    "endless extension": b"1;" + b"a" * 20_000 + b"\r\nx\r\n0\r\n\r\n",
    "no line end": b"1\r\nxx\r\n0\r\n\r\n",
    "too large a size": b"f" * 17 + b"\r\nx\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("half", HALVES)
def test_a_client_that_holds_connections_open_delays_no_other(serve, connect, half):
    client = serve(WEB_THREADS="4")
    for _ in range(CLIENTS):
        connect().sendall(HALVES[half].encode())

    began = time.monotonic()
    assert client.get("/healthz").status_code == 200
    assert client.post("/v1/jobs", json=HELLO).status_code == 202
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("half", ["headers", "body"])
def test_half_a_request_is_answered_and_ended_in_time(serve, connect, half):
    serve(HEADERS_TIMEOUT_S="1", BODY_TIMEOUT_S="1")
    slow = connect()
    slow.sendall(HALVES[half].encode())

    began = time.monotonic()
    answer = whole_answer(slow)

    assert time.monotonic() - began < 8
    assert answer.startswith("HTTP/1.1 408 ")
    assert '"code":"request_timeout"' in answer


def test_a_body_that_comes_by_the_byte_is_taken_while_it_has_time(serve, connect):
    client = serve()
    caller, body = connect(), json.dumps(HELLO).encode()
    caller.sendall(head_of(client, f"Content-Length: {len(body)}"))

    for at in range(len(body)):
        caller.sendall(body[at : at + 1])

    assert caller.recv(12) == b"HTTP/1.1 202"


def test_neither_streams_nor_waits_take_a_thread(serve, servers, until):
    client = serve(WEB_THREADS="2", WAIT_MAX_S="60")
    job_id = client.post("/v1/jobs", json=HELLO).json()["id"]
    server = psutil.Process(servers[0].pid)
    before = server.num_threads()

    with ExitStack() as opened:
        path = f"/v1/jobs/{job_id}/events"
        streams = [opened.enter_context(client.stream("GET", path)) for _ in range(STAYING)]
        assert {stream.status_code for stream in streams} == {200}
        waits = opened.enter_context(ThreadPoolExecutor(STAYING))
        wait = {"Prefer": "wait=60"}
        waiting = [
            waits.submit(client.get, f"/v1/jobs/{job_id}", headers=wait) for _ in range(STAYING)
        ]
        until(lambda: len(server.net_connections("unix")) > 2 * STAYING)

        began = time.monotonic()
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/jobs", json=HELLO).status_code == 202
        assert time.monotonic() - began < 2
        # One for subscriptions, two for views, and those of a readiness check.
        assert server.num_threads() <= before + 5
        client.post(f"/v1/jobs/{job_id}/cancel")
        answers = [each.result() for each in waiting]

    assert [each.json()["status"] for each in answers] == ["cancelled"] * STAYING
    assert {each.headers["Preference-Applied"] for each in answers} == {"wait=60"}


def test_a_client_that_leaves_a_wait_leaves_its_slot(serve, connect, until):
    client = serve(WEB_STREAMS="2", WAIT_MAX_S="60")
    job_id = client.post("/v1/jobs", json=HELLO).json()["id"]
    callers = []

    def slot_is_taken() -> bool:
        """Wait once more, since the probe's stream may have taken the slot from the last wait."""
        callers.append(connect())
        wait = head_of(client, "Prefer: wait=60", method="GET", path=f"/v1/jobs/{job_id}")
        callers[-1].sendall(wait)
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as probe:
            return probe.status_code == 429

    until(slot_is_taken)
    for caller in callers:
        caller.close()

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as first:
        until(lambda: first.status_code == 200)


def test_a_process_that_is_asked_to_end_answers_waiting_clients(serve, servers, connect):
    client = serve(WAIT_MAX_S="60")
    job_id = client.post("/v1/jobs", json=HELLO).json()["id"]
    half = connect()
    half.sendall(HALVES["body"].encode())
    with ThreadPoolExecutor(1) as waits:
        wait = {"Prefer": "wait=60"}
        waiting = waits.submit(client.get, f"/v1/jobs/{job_id}", headers=wait)
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 2000"

            began = time.monotonic()
            servers[0].terminate()

            assert "job.queued" in "".join(lines)
        assert waiting.result().json()["status"] == "queued"
    assert servers[0].wait(10) == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("broken", BROKEN)
def test_a_body_in_broken_chunks_is_the_clients_mistake(serve, connect, broken):
    client = serve()
    caller = connect()

    caller.sendall(head_of(client, "Transfer-Encoding: chunked"))
    caller.sendall(BROKEN[broken])

    answer = whole_answer(caller)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "application/problem+json" in answer
    assert client.get("/v1/jobs").json()["data"] == []


def test_one_user_can_not_take_all_streams(serve):
    client = serve(WEB_STREAMS="4")
    job = client.post("/v1/jobs", json=HELLO).json()["id"]
    other = {"X-Trimind-User": f"{client.headers['X-Trimind-User']}-other"}
    others = client.post("/v1/jobs", json=HELLO, headers=other).json()["id"]
    path = "/v1/jobs/{}/events"

    with ExitStack() as opened:
        for _ in range(2):
            stream = opened.enter_context(client.stream("GET", path.format(job)))
            assert stream.status_code == 200
        refused = client.get(path.format(job))
        theirs = opened.enter_context(client.stream("GET", path.format(others), headers=other))

        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams_of_yours")
        assert int(refused.headers["Retry-After"]) > 0
        assert theirs.status_code == 200


def test_a_header_with_underscores_names_no_user(serve):
    client = serve()
    client.post("/v1/jobs", json=HELLO)
    whom = {"Authorization": client.headers["Authorization"]}
    whom["X_Trimind_User"] = client.headers.pop("X-Trimind-User")

    assert client.get("/v1/jobs", headers=whom).json()["code"] == "invalid_user"


def test_every_answer_has_security_headers_and_names_no_server(serve):
    client = serve()
    job = client.post("/v1/jobs", json=HELLO)
    with client.stream("GET", f"{job.headers['Location']}/events") as stream:
        answers = [job, stream]
    paths = ("/healthz", "/v1/jobs", "/nowhere", "/openapi.json", "/docs", "/v1/chat/completions")
    answers += [client.get(path) for path in paths]
    answers += [client.get(f"/docs/{file}") for file in ("static/page.js", "swagger/none.js")]
    answers += [client.put("/v1/jobs"), client.get("/healthz", headers={"X": "x" * 9000})]

    for answer in answers:
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = [each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; ")]
        loaded = ("script-src", "style-src", "img-src", "connect-src")
        shown = {name for name, _ in policy}.intersection(loaded)
        assert shown == (set(loaded) if answer.url.path == "/docs" else set())
        allowed = {source for _, sources in policy for source in sources.split()}
        assert allowed - {"'none'", "'self'", "data:"} == set()
        always = ("default-src", "frame-ancestors", "base-uri", "form-action")
        assert {dict(policy)[name] for name in always} == {"'none'"}
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in headers
        assert "X-Powered-By" not in headers


def test_a_process_that_dies_is_replaced_and_none_outlives_its_supervisor(serve, servers, until):
    client = serve(WEB_CONCURRENCY="2")
    supervisor = psutil.Process(servers[0].pid)

    def serving() -> list[psutil.Process]:
        alive = [one for one in supervisor.children() if one.status() != psutil.STATUS_ZOMBIE]
        return [one for one in alive if "spawn_main" in " ".join(one.cmdline())]

    until(lambda: len(serving()) == 2)
    first = serving()[0]
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: first.pid not in {one.pid for one in serving()} and len(serving()) == 2)
    until(lambda: client.get("/healthz").status_code == 200)

    last = serving()
    supervisor.kill()
    until(lambda: not any(one.is_running() for one in last))
    servers[0].wait()
    servers.clear()


def whole_answer(client: socket.socket) -> str:
    """Read the answer to its end."""
    received = b""
    while more := client.recv(64 * 1024):
        received += more
    return received.decode()


def head_of(
    client: httpx.Client, *more: str, method: str = "POST", path: str = "/v1/jobs"
) -> bytes:
    """The head of a request of this user, with additional headers."""
    lines = [f"{method} {path} HTTP/1.1", "Host: web", "Content-Type: application/json", *more]
    lines += [f"{name}: {client.headers[name]}" for name in ("Authorization", "X-Trimind-User")]
    return "\r\n".join([*lines, "", ""]).encode()
