"""Requests through a proxy, by httpx: it knows proxies' protocols, and TLS within TLS.

It takes several times the CPU of `exchange.py`, which is why only these requests go this way.
"""

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import httpcore
import httpx

from tasks.limited_streams import LimitedNetwork
from tasks.llm.connection import CONNECT_LIMIT_S, WRITE_LIMIT_S
from tasks.llm.watch import current

# How many idle transports are kept, and for how long; active ones are not limited.
IDLE_CONNECTIONS: Final = 256
IDLE_S: Final = 60.0


class _Watched:
    """The limits of a call to a provider, whose reads check its watch."""

    def read(self, stream: httpcore.NetworkStream, most: int, asked_s: float | None) -> bytes:
        watch = current()
        if watch is None:
            return stream.read(most, asked_s)
        watch.sent = True
        since = time.monotonic()
        while True:
            watch.check(since)
            try:
                return stream.read(most, watch.pause_s)
            except httpcore.ReadTimeout:
                watch.wait()

    def write_s(self, asked_s: float | None) -> float:
        return _least(asked_s, WRITE_LIMIT_S)

    def connect_s(self, asked_s: float | None) -> float:
        return _least(asked_s, CONNECT_LIMIT_S)


def _least(timeout: float | None, limit: float) -> float:
    return limit if timeout is None else min(timeout, limit)


class _Lent(httpx.SyncByteStream):
    """A response's stream, which gives its transport back when it is closed."""

    def __init__(self, stream: httpx.SyncByteStream, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back: Callable[[], None] | None = give_back

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        give_back, self._give_back = self._give_back, None
        try:
            self._stream.close()
        finally:
            if give_back is not None:
                give_back()


class Proxied:
    """Sends requests through one proxy. Thread-safe.

    Each of its transports sends one request at a time, the last used one first. In one pool for
    all, httpx examines every connection twice for each request, and every idle one with a system
    call: with 60 of them a call costs seven times as much.
    """

    def __init__(self, certificates: ssl.SSLContext, proxy: str) -> None:
        self._certificates = certificates
        self._proxy = proxy
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, httpx.HTTPTransport]] = deque()

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response once its headers are there. Raises
        httpx.TransportError."""
        with self._lock:
            transport = self._idle.pop()[1] if self._idle else None
        transport = transport or _transport(self._certificates, self._proxy)
        try:
            response = transport.handle_request(request)
        except BaseException:
            self._give_back(transport)
            raise
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Lent(response.stream, lambda: self._give_back(transport))
        return response

    def _give_back(self, transport: httpx.HTTPTransport) -> None:
        now = time.monotonic()
        with self._lock:
            self._idle.append((now, transport))
            too_many = len(self._idle) > IDLE_CONNECTIONS
            oldest = self._idle.popleft() if too_many or self._idle[0][0] < now - IDLE_S else None
        if oldest is not None:
            oldest[1].close()

    def close(self) -> None:
        """Close the connections that no request uses."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for _, transport in idle:
            transport.close()


def _transport(certificates: ssl.SSLContext, proxy: str) -> httpx.HTTPTransport:
    transport = httpx.HTTPTransport(verify=certificates, proxy=proxy)
    # httpx has no public way to set the network backend of its pool.
    transport._pool._network_backend = LimitedNetwork(_Watched())
    return transport
