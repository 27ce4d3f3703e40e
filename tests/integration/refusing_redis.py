"""A Redis that refuses commands: a TCP proxy in front of a real one.

A command to refuse is replaced by a script that returns the error, so that the answers keep their
order. The commands that set up a connection (HELLO, AUTH, …) are let through.
"""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

FULL: Final = "ERR max number of clients reached"
FIRST_WORDS: Final = frozenset({"HELLO", "AUTH", "CLIENT", "SELECT"})


class RefusingRedis:
    """Listens on `port`, and refuses nothing until `refuse` is called."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._error: str | None = None
        self._only: frozenset[str] = frozenset()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.refused: Counter[str] = Counter()  # by command, since the last `refuse`
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def refuse(self, error: str | None, *only: str) -> None:
        """Answer with this error from now on, to these commands or to all but those that set up a
        connection. None ends the refusals."""
        if error is not None:
            self.refused = Counter()
        self._error, self._only = error, frozenset(only)
        if error == FULL:
            self.cut()

    @contextmanager
    def refusing(self, error: str, *only: str) -> Iterator[None]:
        """Refuse until the block ends."""
        self.refuse(error, *only)
        try:
            yield
        finally:
            self.refuse(None)

    def cut(self) -> None:
        """Drop all connections."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                if self._error == FULL:
                    self.refused["connection"] += 1
                    client.sendall(f"-{FULL}\r\n".encode())
                    client.close()
                    continue
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()
            try:
                for command in _commands(client):
                    server.sendall(self._passed_on(command))
            except OSError:
                pass
            finally:
                with self._lock:
                    self._open -= {client, server}
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def _passed_on(self, command: list[bytes]) -> bytes:
        error, name = self._error, command[0].decode().upper()
        refused = name in self._only if self._only else name not in FIRST_WORDS
        if error is None or not refused:
            return _encoded(command)
        self.refused[name] += 1
        script = b"return redis.error_reply(ARGV[1])"
        return _encoded([b"EVAL", script, b"0", error.encode()])


@contextmanager
def refusing(host: str, port: int) -> Iterator[RefusingRedis]:
    """Such a server in front of the one at this address."""
    server = RefusingRedis((host, port))
    try:
        yield server
    finally:
        server.close()


def _commands(client: socket.socket) -> Iterator[list[bytes]]:
    with client.makefile("rb") as stream:
        while line := stream.readline():
            command = []
            for _ in range(int(line[1:])):
                size = int(stream.readline()[1:])
                command.append(stream.read(size + 2)[:-2])
            yield command


def _encoded(command: list[bytes]) -> bytes:
    parts = [b"*%d\r\n" % len(command)]
    parts += [b"$%d\r\n%s\r\n" % (len(part), part) for part in command]
    return b"".join(parts)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
