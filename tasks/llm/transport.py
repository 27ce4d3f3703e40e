"""The HTTP transport of every call: watched connections for the whole process.

Libraries give a call one time limit and check nothing else while it waits. Here a blocked read
wakes twice a second, so that an unwanted call ends promptly even while its provider is silent, and
the limits of silence can differ before and after the first text.
"""

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import httpcore
import httpx

from models.errors import ProviderMisconfigured
from tasks.llm.body import Body
from tasks.llm.proxies import Proxies
from tasks.llm.watch import current

# How many idle transports are kept, and for how long; active ones are not limited.
IDLE_CONNECTIONS: Final = 256
IDLE_S: Final = 60.0
POLL_S: Final = 0.5
# A call that has been silent for this long waits: another thread may work meanwhile.
PATIENCE_S: Final = 0.03
CONNECT_LIMIT_S: Final = 10.0
WRITE_LIMIT_S: Final = 30.0


class _Stream(httpcore.NetworkStream):
    """A connection whose reads check the watch of the current call."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = current()
        if watch is None:
            return self._stream.read(max_bytes, timeout)
        watch.sent = True
        since = time.monotonic()
        while True:
            watch.check(since)
            try:
                pause_s = POLL_S if watch.waits else PATIENCE_S
                return self._stream.read(max_bytes, min(pause_s, watch.silence_s))
            except httpcore.ReadTimeout:
                watch.wait()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _least(timeout, WRITE_LIMIT_S))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limit = _least(timeout, CONNECT_LIMIT_S)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        limit = _least(timeout, CONNECT_LIMIT_S)
        return _Stream(super().connect_tcp(host, port, limit, local_address, socket_options))


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


class _Transports:
    """Transports of which each sends one request at a time, the last used one first.

    In one pool for all, httpx examines every connection twice for each request, and every idle one
    with a system call: with 60 of them a call costs seven times as much.
    """

    def __init__(self, certificates: ssl.SSLContext, proxy: str | None = None) -> None:
        self._certificates = certificates
        self._proxy = proxy
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, httpx.HTTPTransport]] = deque()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
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
        with self._lock:
            idle, self._idle = self._idle, deque()
        for _, transport in idle:
            transport.close()


class Transport:
    """Sends requests through the proxies of the environment, or directly. Thread-safe.

    Nothing else of `httpx.Client` is wanted: cookies are not kept, nor redirects followed.
    """

    def __init__(
        self, certificates: ssl.SSLContext | bool | str, environ: Mapping[str, str] | None = None
    ) -> None:
        context = httpx.create_ssl_context(verify=certificates)
        self._proxies = Proxies.of_environment(environ)
        self._direct = _Transports(context)
        self._by = {url: _Transports(context, url) for url in self._proxies.urls}

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response once its headers are there."""
        url = self._proxies.of(request.url.scheme, request.url.host)
        response = (self._by[url] if url else self._direct).handle_request(request)
        response.request = request
        _begin(response)
        return response

    def close(self) -> None:
        """Close the connections that no request uses."""
        for transports in (self._direct, *self._by.values()):
            transports.close()


def _transport(certificates: ssl.SSLContext, proxy: str | None) -> httpx.HTTPTransport:
    transport = httpx.HTTPTransport(verify=certificates, proxy=proxy)
    # httpx has no public way to set the network backend of its pool.
    transport._pool._network_backend = _Backend()
    return transport


def _begin(response: httpx.Response) -> None:
    watch = current()
    if watch is None:
        return
    watch.response = response
    if 300 <= response.status_code < 400:
        # Following it would send the prompt and the key to an unknown host.
        watch.failure = ProviderMisconfigured(f"{watch.name} redirects to another URL.")
        raise httpx.RemoteProtocolError("Redirects are not followed.", request=response.request)
    if isinstance(response.stream, httpx.SyncByteStream):
        response.stream = Body(response, response.stream, watch)
