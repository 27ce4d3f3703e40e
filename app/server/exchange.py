"""One request and its response: views in threads, whatever takes time on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, contextmanager
from io import BytesIO
from typing import Any, Final

import structlog

from app.http.deferred import (
    AFTER_VIEW,
    AT_END,
    CONTINUATION,
    DEFERRABLE,
    PERMITS,
    STREAM,
    AtEnd,
    Continuation,
    Deferred,
    LineStream,
)
from app.server.body import ClientGone, Receive
from app.server.field_name import field_name

PART_BYTES: Final = 64 * 1024

log = structlog.get_logger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Answer = bytes | LineStream | Deferred


class Exchange:
    """A request and its response. A view occupies a thread while it runs; its waits, a stream and
    the sending of the response occupy none.

    Args:
        pool: runs the views.
        abort: aborts the connection.
        send_within_s: a client that takes nothing for so many seconds is disconnected.
        last: whether to close the connection after the response.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        pool: ThreadPoolExecutor,
        abort: Callable[[], None],
        *,
        send_within_s: float,
        last: bool = False,
    ) -> None:
        self._receive, self._send, self._abort = receive, send, abort
        self._pool, self._last = pool, last
        self._send_within_s = send_within_s
        self._loop = asyncio.get_running_loop()
        self._start: dict[str, Any] = {}
        self._gone = False
        self._waiting: asyncio.Task[Any] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def answer(
        self, wsgi: Wsgi, environ: dict[str, Any], release_body: Callable[[], None]
    ) -> None:
        """Answer the request; release its body once the view has run. Raises ClientGone."""
        calls: list[AtEnd] = []
        permits = ExitStack()
        environ |= {DEFERRABLE: True, AT_END: calls, PERMITS: permits}
        sent = False
        try:
            answer = await self._in_view(wsgi, environ)
            environ["wsgi.input"] = BytesIO()
            release_body()
            while isinstance(answer, Deferred):
                environ[CONTINUATION] = await self._wait(answer)
                answer = await self._in_view(wsgi, environ)
            await (self._stream(answer) if isinstance(answer, LineStream) else self._whole(answer))
            sent = True
        finally:
            if self._watch is not None:
                self._watch.cancel()
            permits.close()
            for call in calls:
                await self._in_thread(call, sent)

    def _in_thread(self, work: Callable[..., Any], *given: Any) -> Awaitable[Any]:
        """Run work in a thread. `run_in_executor` does so too, by two futures that tell each other
        what happens, which takes a tenth of a short request."""
        done = self._loop.create_future()
        self._pool.submit(self._run, done, work, *given)
        return done

    def _in_view(self, wsgi: Wsgi, environ: dict[str, Any]) -> Awaitable[Answer]:
        done = self._loop.create_future()
        self._pool.submit(self._run_view, done, wsgi, environ)
        return done

    def _run_view(self, done: asyncio.Future[Answer], wsgi: Wsgi, environ: dict[str, Any]) -> None:
        calls: list[Callable[[], None]] = []
        environ[AFTER_VIEW] = calls
        self._run(done, self._view, wsgi, environ)
        for call in calls:
            try:
                call()
            except Exception:  # a boundary: the response is on its way
                log.exception("work after a view failed")

    def _run(self, done: asyncio.Future[Any], work: Callable[..., Any], *given: Any) -> None:
        if done.cancelled():
            return
        try:
            result = work(*given)
        except BaseException as error:  # noqa: BLE001 (the event loop raises it)
            self._settle(done.set_exception, done, error)
        else:
            self._settle(done.set_result, done, result)

    def _settle(self, settle: Callable[[Any], None], done: asyncio.Future[Any], what: Any) -> None:
        def settle_on_loop() -> None:
            if not done.cancelled():
                settle(what)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle_on_loop)

    def _view(self, wsgi: Wsgi, environ: dict[str, Any]) -> Answer:
        try:
            parts = wsgi(environ, self._begin)
        except Deferred as deferred:
            return deferred
        try:
            stream: LineStream | None = environ.get(STREAM)
            return b"".join(parts) if stream is None or self._is_whole(environ) else stream
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                close()

    def _is_whole(self, environ: dict[str, Any]) -> bool:
        """Whether the response is not the stream that the view opened: of HEAD, or an error."""
        has_length = any(name == b"content-length" for name, _ in self._start["headers"])
        return has_length or environ["REQUEST_METHOD"] == "HEAD"

    def _begin(self, status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        sent = [(field_name(name), value.encode("latin-1")) for name, value in headers]
        if self._last:
            sent.append((b"connection", b"close"))
        code = int(status.split(" ", 1)[0])
        self._start = {"type": "http.response.start", "status": code, "headers": sent}

    # --- on the event loop

    async def _wait(self, deferred: Deferred) -> Continuation:
        try:
            with self._while_connected():
                await deferred.wait()
        except Exception as error:  # the boundary: the application answers it
            if isinstance(error, ClientGone):
                raise
            return deferred.failed(error)
        return deferred.then

    async def _whole(self, body: bytes) -> None:
        messages, end = [self._start], max(1, len(body))
        for at in range(0, end, PART_BYTES):
            part = body[at : at + PART_BYTES]
            more = at + PART_BYTES < end
            messages.append({"type": "http.response.body", "body": part, "more_body": more})
            await self._within_time(*messages)
            messages.clear()

    async def _stream(self, stream: LineStream) -> None:
        await self._within_time(self._start)
        async with aclosing(stream.lines()) as lines:
            with self._while_connected():
                async for line in lines:
                    part = {"type": "http.response.body", "body": line, "more_body": True}
                    await self._within_time(part)
        await self._within_time({"type": "http.response.body", "body": b""})

    async def _within_time(self, *messages: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._send_within_s):
                for message in messages:
                    await self._send(message)
        except TimeoutError:
            self._gone = True
            self._abort()
            raise ClientGone from None

    # --- the client's connection

    @contextmanager
    def _while_connected(self) -> Iterator[None]:
        """Raise ClientGone in the block as soon as the client has gone."""
        if self._watch is None:
            self._watch = self._loop.create_task(self._notice_disconnect())
        if self._gone:
            raise ClientGone
        task = self._waiting = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if self._gone and task is not None and task.uncancel() == 0:
                raise ClientGone from None
            raise
        finally:
            self._waiting = None

    async def _notice_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # the end of an empty body
        self._gone = True
        if self._waiting is not None:
            self._waiting.cancel()
