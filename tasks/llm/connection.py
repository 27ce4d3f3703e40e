"""A connection to a provider, whose reads check the watch of the call that uses it.

A blocked read wakes twice a second, so that an unwanted call ends promptly even while its provider
is silent, and the limits of silence can differ before and after the first text.
"""

import select
import socket
import ssl
import time
from typing import Final, NamedTuple

import httpx

from tasks.llm.watch import Watch

CONNECT_LIMIT_S: Final = 10.0
WRITE_LIMIT_S: Final = 30.0
_READ_BYTES: Final = 64 * 1024


class Origin(NamedTuple):
    """What a connection leads to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> "Origin":
        """Return the origin of a URL. Raises httpx.UnsupportedProtocol."""
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol("A provider's URL must begin with http:// or https://.")
        port = url.port or (443 if url.scheme == "https" else 80)
        return cls(url.scheme, url.raw_host.decode("ascii"), port)


class Connection:
    """A connection. One thread uses it at a time."""

    def __init__(self, origin: Origin, certificates: ssl.SSLContext, limit_s: float) -> None:
        """Connect. Raises httpx.ConnectError, httpx.ConnectTimeout."""
        self.origin = origin
        self._sock = _connect(origin, certificates, min(limit_s, CONNECT_LIMIT_S))
        self._timeout_s: float | None = None
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)

    @property
    def is_readable(self) -> bool:
        """Whether it can be read: an idle one that can was closed by its server."""
        return bool(self._poll.poll(0))

    def send(self, data: bytes) -> None:
        """Send all of this.

        A server that closes its side meanwhile may have answered already, so only the read fails.

        Raises:
            httpx.WriteTimeout: if the server takes nothing for long.
        """
        self._set_timeout(WRITE_LIMIT_S)
        try:
            self._sock.sendall(data)
        except TimeoutError as error:
            raise httpx.WriteTimeout(str(error)) from error
        except OSError:
            return

    def receive(self, watch: Watch) -> bytes:
        """Wait for bytes, and return them; none are the end.

        Raises:
            httpx.ReadTimeout: if the call is to end; the reason is in the watch's `failure`.
            httpx.ReadError: if the connection broke.
        """
        watch.sent = True
        since = time.monotonic()
        while True:
            watch.check(since)
            self._set_timeout(watch.pause_s)
            try:
                return self._sock.recv(_READ_BYTES)
            except TimeoutError:
                watch.wait()
            except OSError as error:
                raise httpx.ReadError(str(error)) from error

    def close(self) -> None:
        """Close it."""
        self._sock.close()

    def _set_timeout(self, seconds: float) -> None:
        if seconds != self._timeout_s:  # it costs a system call
            self._sock.settimeout(seconds)
            self._timeout_s = seconds


def _connect(origin: Origin, certificates: ssl.SSLContext, limit_s: float) -> socket.socket:
    try:
        sock = socket.create_connection((origin.host, origin.port), limit_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if origin.scheme == "http":
                return sock
            return certificates.wrap_socket(sock, server_hostname=origin.host)
        except BaseException:
            sock.close()
            raise
    except TimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
