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
from app.server.body import READ_PAST_BYTES, Bodies, BodyRefused, ClientGone, Receive, Room
from app.server.environ import environ_of
from app.server.exchange import Exchange, Send
from config.settings import Settings

ABORT = "trimind.abort"


@dataclass(frozen=True)
class Body:
    """What has come of a request's body. `length` is None where there is none; `refused` says why
    it was not read to its end."""

    read: bytes = b""
    length: int | None = None
    refused: BodyRefused | None = None

    @property
    def cut_off(self) -> bool:
        """Whether some of it has not come: no other request can follow on its connection."""
        return self.refused is not None or (self.length or 0) > READ_PAST_BYTES


class Bridge:
    """Flask for a server of the event loop. WEB_THREADS views run at once; a thread is made when it
    is needed."""

    def __init__(self, wsgi: Flask, settings: Settings) -> None:
        self.wsgi = wsgi
        self._bodies = Bodies(max_body_bytes(settings), settings.body_timeout_s)
        self._send_within_s = settings.send_timeout_s
        self._pool = ThreadPoolExecutor(settings.web_threads, thread_name_prefix="web")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; nothing where its client has gone."""
        # What a wait or a stream reads has the same threads as the views.
        asyncio.get_running_loop().set_default_executor(self._pool)
        with suppress(ClientGone), self._bodies.room() as room:  # nobody is there to be told
            body = await self._body_of(scope, receive, room)
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
            await exchange.answer(self.wsgi, environ, room.leave)

    async def _body_of(self, scope: Mapping[str, Any], receive: Receive, room: Room) -> Body:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is None and b"transfer-encoding" not in headers:
            return Body()
        if length is not None and int(length) > READ_PAST_BYTES:
            return Body(length=int(length))  # refused before it comes
        try:
            return Body(*await self._bodies.read(receive, room))
        except BodyRefused as refused:
            return Body(refused=refused)


def _unknown() -> bool:
    return False


def _nothing() -> None:
    """A server that is not ours has no way to cut a connection."""
