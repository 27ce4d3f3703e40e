"""The client with a web server that gives bad answers or none."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from trimind import ApiError, Client, Unreachable

PROBLEM = b'{"code": "not_found", "detail": "No such job.", "status": 404}'


class Bad(BaseHTTPRequestHandler):
    """Answers with a problem, or like a proxy in between."""

    def do_GET(self) -> None:
        status, body = (404, PROBLEM) if self.path.endswith("known") else (502, b"<html>")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Send no answer."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Bad) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_refusal_has_its_status_code_and_sentence(url: str) -> None:
    with Client(url, "tm_x") as client, pytest.raises(ApiError) as refusal:
        client.job("known")
    assert (refusal.value.status, refusal.value.code) == (404, "not_found")
    assert str(refusal.value) == "No such job. (404 not_found)"


def test_an_answer_that_is_not_ours_is_a_refusal_too(url: str) -> None:
    with Client(url, "tm_x") as client, pytest.raises(ApiError) as refusal:
        client.job("other")
    assert (refusal.value.status, refusal.value.code) == (502, "unknown")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "ftp://x"])
def test_an_address_without_a_server_is_named(url: str) -> None:
    with Client(url, "tm_x") as client, pytest.raises(Unreachable, match=url):
        client.job("any")
