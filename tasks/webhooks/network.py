"""Connections to webhooks: to an address that was checked, and within one limit of time."""

import ssl
import time
from collections.abc import Iterable
from typing import Any, Final

import httpcore
import httpx

from tasks.limited_streams import LimitedNetwork
from tasks.policies import DELIVER
from tasks.webhooks.addresses import resolve

# Of a host with many addresses, so many are tried.
ADDRESSES: Final = 3


class Deadline:
    """When everything has to be done, and how much is read until then: a receiver could keep us
    busy with answers that announce another one."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._bytes = 0

    def read(self, stream: httpcore.NetworkStream, most: int, asked_s: float | None) -> bytes:
        """Read bytes. Raises httpcore.ReadTimeout, and RemoteProtocolError if they are too many."""
        found = stream.read(most, self._left_s(httpcore.ReadTimeout, asked_s))
        self._bytes += len(found)
        if self._bytes > DELIVER.read_bytes:
            raise httpcore.RemoteProtocolError("the answer has no end")
        return found

    def write_s(self, asked_s: float | None) -> float:
        """The limit of a write. Raises httpcore.WriteTimeout."""
        return self._left_s(httpcore.WriteTimeout, asked_s)

    def connect_s(self, asked_s: float | None) -> float:
        """The limit of connecting, or of TLS. Raises httpcore.ConnectTimeout."""
        return self._left_s(httpcore.ConnectTimeout, asked_s, DELIVER.connect_limit_s)

    def _left_s(self, kind: type[Exception], *limits: float | None) -> float:
        left = self._at - time.monotonic()
        if left <= 0:
            raise kind("out of time")
        return min([left, *(limit for limit in limits if limit is not None)])


class CheckedNetwork(LimitedNetwork):
    """Resolves a name itself, checks all of its addresses, and connects to one of them. So the name
    can't resolve to another address between the check and the connection."""

    def __init__(self, deadline: Deadline, *, allow_private: bool) -> None:
        super().__init__(deadline)
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host. Raises PrivateAddress, Unresolvable and httpcore's errors."""
        failed: Exception = httpcore.ConnectError("no address")
        for address in resolve(host, port, allow_private=self._allow_private)[:ADDRESSES]:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


def open_pool(
    certificates: ssl.SSLContext, limit_s: float, *, allow_private: bool, proxy: str | None
) -> httpcore.ConnectionPool:
    """Connections for one attempt.

    Args:
        certificates: by which receivers, and the proxy, are verified.
        limit_s: of the attempt as a whole.
        allow_private: whether receivers may have private addresses.
        proxy: through which all of them are reached. It resolves their names, so that their
            addresses are its to check.
    """
    deadline = Deadline(limit_s)
    if proxy is None:
        network = CheckedNetwork(deadline, allow_private=allow_private)
        return httpcore.ConnectionPool(certificates, network_backend=network)
    parsed = httpx.Proxy(proxy)
    through = httpcore.Proxy(
        str(parsed.url),
        auth=parsed.raw_auth,
        ssl_context=certificates if parsed.url.scheme == "https" else None,
    )
    return httpcore.ConnectionPool(certificates, through, network_backend=LimitedNetwork(deadline))
