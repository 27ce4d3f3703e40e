"""Connections to webhooks: to an address that was checked, and within one limit of time."""

import ssl
import time
from collections.abc import Iterable
from typing import Any, Final

import httpcore

from tasks.policies import DELIVER
from tasks.webhooks.addresses import resolve

# Of a host with many addresses, so many are tried.
ADDRESSES: Final = 3


class Deadline:
    """When everything has to be done."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_s(self, kind: type[Exception], most: float | None = None) -> float:
        """The seconds that are left, and `most` at most. Raises `kind` if there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise kind("out of time")
        return left if most is None else min(left, most)


class CheckedNetwork(httpcore.NetworkBackend):
    """Resolves a name itself, checks all of its addresses, and connects to one of them. So the name
    can't resolve to another address between the check and the connection."""

    def __init__(self, deadline: Deadline, *, allow_private: bool) -> None:
        self._deadline, self.allow_private = deadline, allow_private
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host. Raises PrivateAddress, Unresolvable and httpcore's errors."""
        addresses = resolve(host, port, allow_private=self.allow_private)[:ADDRESSES]
        failed: Exception = httpcore.ConnectError("no address")
        for address in addresses:
            limit = self._deadline.left_s(httpcore.ConnectTimeout, DELIVER.connect_limit_s)
            try:
                stream = self._inner.connect_tcp(
                    address, port, limit, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return LimitedStream(stream, self._deadline)
        raise failed


class LimitedStream(httpcore.NetworkStream):
    """A stream whose reads and writes have one limit together, however little each brings."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read bytes. Raises httpcore.ReadTimeout."""
        return self._stream.read(max_bytes, self._deadline.left_s(httpcore.ReadTimeout, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write bytes. Raises httpcore.WriteTimeout."""
        self._stream.write(buffer, self._deadline.left_s(httpcore.WriteTimeout, timeout))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Begin TLS; certificates are checked for the name. Raises httpcore's errors."""
        limit = self._deadline.left_s(httpcore.ConnectTimeout, timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, limit)
        return LimitedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about a stream."""
        return self._stream.get_extra_info(info)
