"""httpcore's connections, with limits that httpcore has not: of a call as a whole, for example."""

import ssl
from collections.abc import Iterable
from typing import Any, Protocol

import httpcore


class Limits(Protocol):
    """How long each operation of a connection may take; `asked_s` is what httpcore's caller asked
    for."""

    def read(self, stream: httpcore.NetworkStream, most: int, asked_s: float | None) -> bytes:
        """Read from a stream. Raises httpcore's errors."""

    def write_s(self, asked_s: float | None) -> float:
        """The limit of a write. Raises httpcore.WriteTimeout."""

    def connect_s(self, asked_s: float | None) -> float:
        """The limit of connecting, or of TLS. Raises httpcore.ConnectTimeout."""


class LimitedStream(httpcore.NetworkStream):
    """A stream whose operations have limits."""

    def __init__(self, stream: httpcore.NetworkStream, limits: Limits) -> None:
        self._stream, self._limits = stream, limits

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read bytes."""
        return self._limits.read(self._stream, max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write bytes."""
        self._stream.write(buffer, self._limits.write_s(timeout))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Begin TLS; the certificate is checked for the name."""
        limit = self._limits.connect_s(timeout)
        return LimitedStream(
            self._stream.start_tls(ssl_context, server_hostname, limit), self._limits
        )

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about a stream."""
        return self._stream.get_extra_info(info)


class LimitedNetwork(httpcore.SyncBackend):
    """Makes connections whose operations have limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host."""
        limit = self._limits.connect_s(timeout)
        stream = super().connect_tcp(host, port, limit, local_address, socket_options)
        return LimitedStream(stream, self._limits)
