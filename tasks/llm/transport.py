"""The HTTP transport of every call: kept connections for the whole process."""

import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

import httpx

from models.errors import ProviderMisconfigured
from tasks.llm.body import Body
from tasks.llm.connection import Connection, Origin
from tasks.llm.exchange import Exchange
from tasks.llm.outgoing import Outgoing
from tasks.llm.proxied import Proxied
from tasks.llm.proxies import Proxies
from tasks.llm.watch import Watch

# How many idle connections are kept, and for how long: servers close theirs after 5 s and more.
IDLE_CONNECTIONS: Final = 256
IDLE_S: Final = 5.0


class Connections:
    """The idle connections of the process, of which the last used one is used first. Thread-safe.

    Connections in use are not limited.
    """

    def __init__(self, certificates: ssl.SSLContext, most: int = IDLE_CONNECTIONS) -> None:
        self._certificates = certificates
        self._most = most
        self._lock = threading.Lock()
        self._idle: dict[Origin, deque[tuple[float, Connection]]] = {}

    def take(self, origin: Origin, limit_s: float) -> Connection:
        """Return a connection that nobody uses. Raises httpx.TransportError."""
        oldest = time.monotonic() - IDLE_S
        while (found := self._pop(origin)) is not None:
            since, connection = found
            if since >= oldest and not connection.is_readable:
                return connection
            connection.close()
        return Connection(origin, self._certificates, limit_s)

    def leave(self, connection: Connection, is_reusable: bool) -> None:
        """Take a connection back, and close what is not to be kept."""
        if not is_reusable:
            connection.close()
            return
        now = time.monotonic()
        with self._lock:
            self._idle.setdefault(connection.origin, deque()).append((now, connection))
            spare = self._spare(now - IDLE_S)
        for each in spare:
            each.close()

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for kept in idle.values():
            for _, connection in kept:
                connection.close()

    def _pop(self, origin: Origin) -> tuple[float, Connection] | None:
        with self._lock:
            kept = self._idle.get(origin)
            return kept.pop() if kept else None

    def _spare(self, oldest: float) -> list[Connection]:
        """Remove the connections that were idle for too long, and the oldest that are too many."""
        spare = []
        room = self._most
        for kept in self._idle.values():
            while kept and (kept[0][0] < oldest or len(kept) > room):
                spare.append(kept.popleft()[1])
            room -= len(kept)
        return spare


class Transport:
    """Sends requests through the proxies of the environment, or directly. Thread-safe.

    Cookies are not kept, nor redirects followed.
    """

    def __init__(
        self, certificates: ssl.SSLContext | bool | str, environ: Mapping[str, str] | None = None
    ) -> None:
        context = httpx.create_ssl_context(verify=certificates)
        context.set_alpn_protocols(["http/1.1"])
        self._proxies = Proxies.of_environment(environ)
        self._connections = Connections(context)
        self._by = {url: Proxied(context, url) for url in self._proxies.urls}

    def send(self, request: Outgoing, watch: Watch) -> httpx.Response:
        """Send a request, and return the response once its headers are there.

        Raises:
            httpx.TransportError: if there is no response, or one that redirects.
        """
        response = self.exchange(request, watch)
        watch.response = response
        if 300 <= response.status_code < 400:
            # Following it would send the prompt and the key to an unknown host.
            watch.failure = ProviderMisconfigured(f"{watch.name} redirects to another URL.")
            raise httpx.RemoteProtocolError("Redirects are not followed.")
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = Body(response, response.stream, watch)
        return response

    def exchange(self, request: Outgoing, watch: Watch) -> httpx.Response:
        """Send a request, and return the response as it is. Raises httpx.TransportError."""
        proxy = self._proxies.of(request.head.origin.scheme, request.head.origin.host)
        if proxy is not None:
            return self._by[proxy].send(request.for_httpx())
        connection = self._connections.take(request.head.origin, request.limit_s)
        exchange = Exchange(connection, watch, self._connections.leave)
        try:
            return exchange.send(request.bytes())
        except BaseException:
            exchange.close()
            raise

    def close(self) -> None:
        """Close the connections that no request uses."""
        self._connections.close()
        for proxied in self._by.values():
            proxied.close()
