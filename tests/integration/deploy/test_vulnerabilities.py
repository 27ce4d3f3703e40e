"""Known vulnerabilities are looked up at OSV; where it can't be asked, one line says so."""

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.supply_chain.__main__ import main


class Osv(ThreadingHTTPServer):
    """Answers as OSV does: `vulnerable` are the ids of each distribution that has some."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.vulnerable: dict[str, list[str]] = {}
        self.answer: tuple[int, str] | None = None
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/querybatch"


class Handler(BaseHTTPRequestHandler):
    server: Osv

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        self.server.asked += queries
        ids = [self.server.vulnerable.get(each["package"]["name"], []) for each in queries]
        results = [{"vulns": [{"id": each} for each in some]} if some else {} for some in ids]
        status, body = self.server.answer or (200, json.dumps({"results": results}))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def osv() -> Iterator[Osv]:
    with Osv() as server:
        serving = Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def check(url: str) -> Result:
    return CliRunner().invoke(main, ["check", "--osv", url])


def test_it_asks_once_for_each_public_version_and_never_for_our_own(osv: Osv) -> None:
    done = check(osv.url)
    assert (done.exit_code, done.stderr) == (0, "")
    asked = {each["package"]["name"]: each for each in osv.asked}
    assert len(asked) == len(osv.asked)
    assert {"flask", "celery", "torch"} <= set(asked)
    assert "trimind" not in asked
    assert {each["package"]["ecosystem"] for each in osv.asked} == {"PyPI"}
    assert not [each for each in osv.asked if "+" in each["version"]]


def test_what_is_known_is_named_and_fails_the_check(osv: Osv) -> None:
    osv.vulnerable = {"flask": ["GHSA-aaaa", "PYSEC-2026-1"], "celery": ["GHSA-bbbb"]}
    done = check(osv.url)
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for known in ("flask", "GHSA-aaaa"), ("flask", "PYSEC-2026-1"), ("celery", "GHSA-bbbb"):
        assert [line for line in lines if all(word in line for word in known)]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((503, ""), "status 503"),
        ((200, "<html>Sign in to this network</html>"), "no JSON"),
        ((200, "[]"), "not OSV's"),
        ((200, '{"results": []}'), "not OSV's"),
    ],
)
def test_a_network_that_does_not_lead_to_osv_is_said_and_fails_nothing(
    osv: Osv, answer: tuple[int, str], reason: str
) -> None:
    osv.answer = answer
    done = check(osv.url)
    assert done.exit_code == 0
    [line] = done.stderr.splitlines()
    assert line.startswith("Vulnerabilities not checked: ")
    assert reason in line


def test_without_a_network_one_line_says_that_nothing_was_looked_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = check(f"http://127.0.0.1:{port}/v1/querybatch")
    assert done.exit_code == 0
    [line] = done.stderr.splitlines()
    assert line.startswith("Vulnerabilities not checked: ")
    assert "Licences of" in done.stdout
