"""A TCP proxy that can stop forwarding without closing anything, or lose responses."""

import socket
import struct
import threading
from contextlib import suppress


class Proxy:
    """Forwards to a local TCP port or a Unix socket. A context manager.

    Args:
        target: the port, or the path of the socket.
        listener: where it accepts; by default on a free port of 127.0.0.1.
    """

    def __init__(self, target: int | str, listener: socket.socket | None = None) -> None:
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._to_lose = 0
        self.lost = 0  # responses
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self.host, self.port = self._listener.getsockname()

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._flows.set()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def freeze(self) -> None:
        """Stop forwarding. Connections stay open, and new ones are accepted."""
        self._flows.clear()

    def thaw(self) -> None:
        """Forward again, starting with what was held back."""
        self._flows.set()

    def reset(self) -> None:
        """Reset all open connections; new ones are accepted."""
        broken, self._open = self._open[1:], self._open[:1]
        for one in broken:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def lose_responses(self, count: int) -> None:
        """Reset the connections instead of forwarding the next responses."""
        self._to_lose = count

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = self._connect()
                except OSError:  # the target is down
                    client.close()
                    continue
                self._open += [client, server]
                for pump in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._target)
        except OSError:
            server.close()
            raise
        return server

    def _pump(self, source: socket.socket, target: socket.socket, responds: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                if responds and self._to_lose:
                    self._to_lose -= 1
                    self.lost += 1
                    self.reset()
                    return
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
