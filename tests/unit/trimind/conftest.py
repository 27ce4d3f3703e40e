"""A server whose answers each test scripts, as bytes: what no real one would send."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ...clients import BOTH, Ask


@dataclass
class Answer:
    """A response. Without a status, the connection is closed instead. The pieces of an endless body
    are sent until the client leaves."""

    status: int | None = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    endless: bytes = b""


@dataclass
class Request:
    """What the server was asked."""

    line: str
    headers: dict[str, str]
    body: bytes


class Script:
    """The answers to come, the last of which is repeated, and the requests that came."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[Request] = []
        self.url = ""

    def say(self, *answers: Answer) -> None:
        """Set the answers."""
        self.answers = list(answers)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def shown(thing: Any, status: int = 200, **headers: str) -> Answer:
    """An answer with JSON; `Retry_After` is sent as `Retry-After`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(thing).encode(), named)


class Handler(BaseHTTPRequestHandler):
    script: Script

    def _answer(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.script.requests.append(Request(f"{self.command} {self.path}", headers, body))
        answer = self.script.next()
        if answer.status is None:
            return
        self.send_response(answer.status)
        self.send_header("Connection", "close")
        if not answer.endless:
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(answer.body)
            while answer.endless:
                self.wfile.write(answer.endless)
        except OSError:  # the client has gone
            return

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def new_server() -> Iterator[Callable[[], Script]]:
    """`new_server()`: start one more server."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start() -> Script:
        script = Script()
        handler = type("Scripted", (Handler,), {"script": script})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        servers.append((server, thread))
        script.url = f"http://127.0.0.1:{server.server_port}"
        return script

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(new_server: Callable[[], Script]) -> Script:
    return new_server()


@pytest.fixture(params=BOTH)
def ask(request: pytest.FixtureRequest) -> Ask:
    """`ask(url, key, method, …)` of each client."""
    return BOTH[request.param]
