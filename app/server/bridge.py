"""ASGI in front of the Flask application: bodies and answers on the loop, views in threads."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Flask

from app.http.deferred import GONE
from app.http.refused import REFUSAL
from app.http.request_body import max_body_bytes
from app.server.body import READ_PAST_BYTES, Bodies, BodyRefused, ClientGone, Receive, Reservation
from app.server.environ import environ_of
from app.server.exchange import Exchange, Send
from config.settings import Settings

ABORT = "trimind.abort"


@dataclass(frozen=True)
class Body:
    """The body of a request as far as it was read. `length` is None if there is no body; `refused`
    is why it was not read to its end."""

    read: bytes = b""
    length: int | None = None
    refused: BodyRefused | None = None

    @property
    def cut_off(self) -> bool:
        """Whether some of it was not read, so that its connection can't be used again."""
        return self.refused is not None or (self.length or 0) > READ_PAST_BYTES


class Bridge:
    """The Flask application as an ASGI one. WEB_THREADS views run at once; their
    threads start on demand."""

    def __init__(self, wsgi: Flask, settings: Settings) -> None:
        self.wsgi = wsgi
        self._bodies = Bodies(max_body_bytes(settings), settings.body_timeout_s)
        self._send_within_s = settings.send_timeout_s
        self._pool = ThreadPoolExecutor(settings.web_threads, thread_name_prefix="web")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, unless its client has gone."""
        # The queries of waits and streams share the views' threads.
        asyncio.get_running_loop().set_default_executor(self._pool)
        with suppress(ClientGone), self._bodies.reservation() as reservation:
            body = await self._body_of(scope, receive, reservation)
            environ = environ_of(scope, body.read, body.length)
            environ[GONE] = scope.get(GONE, _unknown)
            if body.refused is not None:
                environ[REFUSAL] = body.refused.problem
            abort: Callable[[], None] = scope.get(ABORT, _nothing)
            exchange = Exchange(
                receive,
                send,
                self._pool,
                abort,
                send_within_s=self._send_within_s,
                last=body.cut_off,
            )
            await exchange.answer(self.wsgi, environ, reservation.release)

    async def _body_of(
        self, scope: Mapping[str, Any], receive: Receive, reservation: Reservation
    ) -> Body:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is None and b"transfer-encoding" not in headers:
            return Body()
        if length is not None and int(length) > READ_PAST_BYTES:
            return Body(length=int(length))  # refused without being read
        try:
            return Body(*await self._bodies.read(receive, reservation))
        except BodyRefused as refused:
            return Body(refused=refused)


def _unknown() -> bool:
    return False


def _nothing() -> None:
    """Another ASGI server offers no way to abort a connection."""
