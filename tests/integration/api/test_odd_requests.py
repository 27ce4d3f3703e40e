"""Malicious requests: each is refused with a clear error, at little cost."""

import re
import socket
from collections.abc import Callable

import httpx
import pytest

HELLO = {"message": "hello"}
MESSAGES = "/v1/conversations/{conversation}/messages"
LISTS = ("/v1/jobs", "/v1/broadcasts", "/v1/conversations", MESSAGES)
FIELD_MAX_BYTES = 8190  # the server's


@pytest.fixture
def conversation(client) -> str:
    return client.post("/v1/jobs", json=HELLO).json["conversation_id"]


@pytest.fixture
def speak(sockets: list[str]) -> Callable[[httpx.Client, str], str]:
    """`speak(client, head)`: the answer to the head of a POST of a job, without its body."""

    def answer_to(client: httpx.Client, head: str) -> str:
        whom = "".join(f"{name}: {value}\r\n" for name, value in client.headers.items())
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(sockets[0])
            connection.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: web\r\n{whom}{head}\r\n".encode())
            received = b""
            while len(received.partition(b"\r\n\r\n")[2]) < _length_of(received):
                more = connection.recv(64 * 1024)
                assert more, received
                received += more
            return received.decode()

    return answer_to


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "too_small"),
        ("limit=101", "limit", "too_large"),
        ("limit=x", "limit", "not_an_integer"),
        ("limit=1.5", "limit", "not_an_integer"),
        ("limit=" + "9" * 1000, "limit", "too_large"),
        ("after=%00", "after", "null_character"),
        ("after=%ED%A0%80", "after", "invalid"),
        ("after=x", "after", "invalid"),
        ("after=" + "x" * 41, "after", "too_long"),
        ("before=x", "before", "unknown_field"),
    ],
)
def test_a_page_that_can_not_be_meant_is_refused_by_name(
    client, conversation, path, query, field, code
):
    refused = client.get(f"{path.format(conversation=conversation)}?{query}")

    assert refused.status_code == 422
    assert [(e["field"], e["code"]) for e in refused.json["errors"]] == [(field, code)]


@pytest.mark.parametrize("q", ["%ED%A0%80", "%25", "_", "%5C", "%FF", "%27;--"])
def test_a_search_takes_every_text_for_what_it_is(client, conversation, q):
    found = client.get(f"/v1/conversations?q={q}")

    assert (found.status_code, found.json["data"]) == (200, [])


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b'{"message": "hello"', 400, "malformed_json"),
        (b'{"message": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, "malformed_json"),
        (b'{"metadata": ' + b'{"a": ' * 500 + b"1" + b"}" * 501, 400, "malformed_json"),
        (b'{"metadata": ' + b'{"a": ' * 60 + b"1" + b"}" * 61, 422, "invalid_request"),
        (b'{"message": "\\ud800"}', 422, "invalid_request"),
        (b'{"message": "hello", "conversation_id": "\\u0000"}', 422, "invalid_request"),
    ],
)
def test_a_body_that_can_not_be_meant_leaves_no_job(client, data, status, code):
    refused = client.post("/v1/jobs", data=data, content_type="application/json")

    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert client.get("/v1/jobs").json["data"] == []


def test_a_body_that_is_much_too_long_is_refused_before_it_comes(serve, speak):
    length = "Content-Type: application/json\r\nContent-Length: 1000000000\r\n"

    answer = speak(serve(), length)

    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code":"body_too_large"' in answer


@pytest.mark.parametrize("name", ["Idempotency-Key", "Cancel-After"])
def test_a_header_is_refused_by_name_however_long_it_is(client, name):
    refused = client.post("/v1/jobs", json=HELLO, headers={name: "7" * 8000})

    assert refused.status_code == 400
    assert [error["field"] for error in refused.json["errors"]] == [name]
    assert "777" not in refused.text


def test_a_wait_that_is_very_long_or_no_number_is_none(client):
    for sent in ("wait=" + "9" * 8000, "wait=-1", "wait=x", "," * 8000, "wait=" + " " * 8000):
        answer = client.post("/v1/jobs", json=HELLO, headers={"Prefer": sent})

        assert answer.status_code == 202
        assert "Preference-Applied" not in answer.headers


def test_a_header_that_the_server_does_not_take_is_its_to_refuse_and_the_next_is_served(serve):
    client = serve()

    refused = client.get("/v1/jobs", headers={"Prefer": "x" * (FIELD_MAX_BYTES + 1)})

    assert 400 <= refused.status_code < 500
    assert client.get("/v1/jobs").status_code == 200


def test_a_repeated_header_is_refused(serve, external_id):
    client = serve()
    assert client.post("/v1/jobs", json=HELLO).status_code == 202
    secret = client.headers["Authorization"]
    user = ("X-Trimind-User", external_id)

    def read(*headers: tuple[str, str]) -> httpx.Response:
        request = client.build_request("GET", "/v1/jobs")
        for name in ("Authorization", "X-Trimind-User"):
            del request.headers[name]
        request.headers = httpx.Headers([*request.headers.multi_items(), *headers])
        return client.send(request)

    twice = read(("Authorization", secret), ("Authorization", secret), user)
    both = read(("Authorization", secret), user, ("X-Trimind-User", "other"))

    for refused, name in ((twice, "Authorization"), (both, "X-Trimind-User")):
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_header")
        assert refused.json()["errors"][0]["field"] == name


def test_two_lengths_are_refused(serve, speak):
    answer = speak(serve(), "Content-Length: 2\r\nContent-Length: 3\r\n")

    assert answer.startswith("HTTP/1.1 400 ")


def test_an_idempotency_key_that_comes_twice_makes_no_job(serve):
    client = serve()
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    refused = client.post("/v1/jobs", json=HELLO, headers=headers)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert client.get("/v1/jobs").json()["data"] == []


def _length_of(answer: bytes) -> int:
    found = re.search(rb"^content-length: ([0-9]+)", answer, re.IGNORECASE | re.MULTILINE)
    return int(found[1]) if found else 1
