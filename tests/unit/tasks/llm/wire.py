"""A server that sends scripted bytes, and calls to it."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from tasks.llm.outgoing import Head, Outgoing
from tasks.llm.transport import Transport
from tasks.llm.watch import Watch

# Of provider.test and 127.0.0.1, with its key.
CERTIFICATE = Path(__file__).with_name("certificate.pem")
HELLO = b'{"hello": "you"}'
# At the end of an answer: the server closes the connection.
CLOSE = b"<close>"


class Wire(socketserver.ThreadingTCPServer):
    """Answers the n-th request with the n-th of `answers`, and keeps the connection unless that
    ends with `CLOSE`.

    Attributes:
        requests: the bytes of each request.
        ports: the client's port of each request.
        left: set once a client has closed its connection.
        closed: set once the server has closed one.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *answers: bytes, tls: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.ports: list[int] = []
        self.requests: list[bytes] = []
        self.left = threading.Event()
        self.closed = threading.Event()
        self.tls = tls_context() if tls else None
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}/v1"

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        super().shutdown_request(request)
        self.closed.set()

    def handle_error(self, *_: object) -> None:
        """Suppress the traceback: clients leave."""


class _Handler(socketserver.BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        with contextlib.ExitStack() as exits:
            sock: socket.socket = self.request
            if self.server.tls is not None:
                sock = exits.enter_context(self.server.tls.wrap_socket(sock, server_side=True))
            while request := read_request(sock):
                self.server.requests.append(request)
                self.server.ports.append(self.client_address[1])
                answer = self.server.answers.pop(0)
                sock.sendall(answer.removesuffix(CLOSE))
                if answer.endswith(CLOSE):
                    return
            self.server.left.set()


def tls_context() -> ssl.SSLContext:
    """A server's context with our certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting() -> ssl.SSLContext:
    """A client's context that trusts our certificate and no other."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def read_request(sock: socket.socket) -> bytes:
    """Read a request to its end. Empty if there is none."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := sock.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    names = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(names.get(b"content-length", b"0")):
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving(wire: Wire) -> Iterator[Wire]:
    """Run the server in a thread."""
    with wire:
        thread = threading.Thread(target=wire.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield wire
        wire.shutdown()
        thread.join()


Ask = Callable[[str], httpx.Response]


def asking(transport: Transport, *, silence_s: float = 10, max_bytes: int = 10**6) -> Ask:
    """`ask(url)` sends a request, and returns the response with its whole body."""

    def ask(url: str) -> httpx.Response:
        request = Outgoing(Head.of(httpx.URL(url), httpx.Headers({"X-Key": "the-key"})), HELLO, 10)
        with Watch("m", 10, silence_s, max_bytes) as watch:
            response = transport.send(request, watch)
            response.read()
        return response

    return ask
