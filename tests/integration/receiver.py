"""Receivers of webhooks: real HTTP servers on loopback, well-behaved and otherwise."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request as it was received."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A server that answers 204, or with what a test sets; it keeps all requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.respond: Callable[[Any], object] | None = None
        self.over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with suppress(ConnectionError):
                    receiver.receive(self)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def receive(self, handler: BaseHTTPRequestHandler) -> None:
        """Keep a request and answer it."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append(Request(handler.path, headers, body))
        handler.close_connection = True
        if self.respond is not None:
            self.respond(handler)
            return
        handler.send_response(self.status)
        for name, value in {**self.headers, "Content-Length": "0", "Connection": "close"}.items():
            handler.send_header(name, value)
        handler.end_headers()

    def close(self) -> None:
        """Stop it, and whatever a response of it waits for."""
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs during the block."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
