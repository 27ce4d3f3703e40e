"""The HTTP underneath every call: one pool of connections, and a watch over the answer's bytes.

LiteLLM hands on no keep-alive ping, so that a stream of nothing but pings would never return to us,
and it has no way to close a stream. Both are done here, on the response itself.
"""

import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from types import TracebackType
from typing import Final

import httpx

# Connections kept open after a call; while calls run there may be any number of them.
IDLE_CONNECTIONS: Final = 64

_current: ContextVar["Watch | None"] = ContextVar("watch", default=None)


class Watch:
    """Watches the one call that is made inside it, and closes its connection at the end.

    Args:
        limit_s: seconds the whole call may take, looked at whenever bytes arrive; silence is
            bounded by the call's own timeout.
        stop: set when nobody wants the answer any more.
    """

    def __init__(self, limit_s: float, stop: threading.Event | None = None) -> None:
        self._ends = time.monotonic() + limit_s
        self._stop = stop
        self._response: httpx.Response | None = None

    @property
    def stopped(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._stop is not None and self._stop.is_set()

    @property
    def over(self) -> bool:
        """Whether the call has had its time."""
        return time.monotonic() > self._ends

    def look(self) -> None:
        """Raises httpx.ReadTimeout, which LiteLLM knows, when the call has to end."""
        if self.stopped or self.over:
            raise httpx.ReadTimeout("The call is over.")

    def begin(self, response: httpx.Response) -> None:
        """Watches this response from now on."""
        self._response = response
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Watched(response.stream, self)

    def __enter__(self) -> "Watch":
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.reset(self._token)
        if self._response is not None:
            self._response.close()


class _Watched(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._watch.look()
            yield part

    def close(self) -> None:
        self._stream.close()


def _begin(response: httpx.Response) -> None:
    watch = _current.get()
    if watch is not None:
        watch.begin(response)


def pool(certificates: SSLContext | bool | str) -> httpx.Client:
    """The client of a whole process, safe across threads. It keeps no cookies."""
    return httpx.Client(
        verify=certificates,
        # httpx allows 100 connections by default: fewer than a worker may have threads.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=True,
        event_hooks={"response": [_begin]},
    )
