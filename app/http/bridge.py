"""ASGI in front of the Flask application: bodies and answers on the loop, views in threads."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any

from flask import Flask

from app.http.body import READ_PAST_BYTES, Bodies, BodyRefused, ClientGone, Receive
from app.http.environ import environ_of
from app.http.exchange import Exchange, Send
from app.http.refused import REFUSAL
from app.request_body import max_body_bytes
from config.settings import Settings

ABORT = "trimind.abort"


class Bridge:
    """Flask for a server of the event loop.

    WEB_THREADS requests are worked on at once. Those who stay (an open stream, a wait) count no
    more among them: they take one of WEB_STREAMS. A thread is made when it is needed.
    """

    def __init__(self, wsgi: Flask, settings: Settings) -> None:
        self.wsgi = wsgi
        self._bodies = Bodies(max_body_bytes(settings))
        self._threads = settings.web_threads
        self._pool = ThreadPoolExecutor(
            settings.web_threads + settings.web_streams, thread_name_prefix="web"
        )

    @cached_property
    def _free(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self._threads)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; nothing where its client has gone."""
        with suppress(ClientGone):  # nobody is there to be told
            body, length, refusal = await self._body_of(scope, receive)
            environ = environ_of(scope, body, length)
            if refusal is not None:
                environ[REFUSAL] = refusal.problem
            await self._free.acquire()
            exchange = Exchange(
                receive, send, scope.get(ABORT, _nothing), _once(self._free.release)
            )
            exchange.last = refusal is not None or (length or 0) > READ_PAST_BYTES
            try:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._pool, exchange.run, self.wsgi, environ)
                if answer is not None:
                    exchange.end()
                    await exchange.answer(answer)
            finally:
                exchange.end()

    async def _body_of(
        self, scope: Mapping[str, Any], receive: Receive
    ) -> tuple[bytes, int | None, BodyRefused | None]:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is None and b"transfer-encoding" not in headers:
            return b"", None, None
        if length is not None and int(length) > READ_PAST_BYTES:
            return b"", int(length), None  # refused before it comes
        try:
            return *await self._bodies.read(receive), None
        except BodyRefused as refused:
            return b"", None, refused


def _nothing() -> None:
    """A server that is not ours has no way to cut a connection."""


def _once(call: Callable[[], None]) -> Callable[[], None]:
    left = [call]

    def do() -> None:
        if left:
            left.pop()()

    return do
