"""A proxy that leads every tunnel to one server, whatever the client has asked for."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Tunnels(ThreadingHTTPServer):
    """The proxy.

    Attributes:
        to: the server's address.
        asked: each tunnel's target and the password that came with it.
        status: what it answers.
    """

    daemon_threads = True

    def __init__(self, to: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to = to
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []
        self.url = f"http://user:pass@127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Tunnels

    def do_CONNECT(self) -> None:
        self.server.asked.append((self.path, self.headers["Proxy-Authorization"]))
        self.send_response(self.server.status)
        self.end_headers()
        if self.server.status == 200:
            with socket.create_connection(self.server.to) as far:
                back = threading.Thread(target=_pump, args=(far, self.connection))
                back.start()
                _pump(self.connection, far)
                back.join()

    def log_message(self, *_: object) -> None:
        """Suppress the access log."""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # either side may leave
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def tunnels(to: tuple[str, int]) -> Iterator[Tunnels]:
    """A proxy that runs during the block."""
    with Tunnels(to) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()
