"""One request in a thread, and its answer on the way back to the event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import TimeoutError as NotTaken
from typing import Any, Final

from app.http.body import ClientGone, Receive

# Whoever takes in nothing for so long is gone, or as good as gone.
SEND_WITHIN_S: Final = 20.0
PART_BYTES: Final = 64 * 1024
STAY: Final = "trimind.stay"
GONE: Final = "trimind.gone"

Send = Callable[[dict[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Exchange:
    """A request and its answer. An answer with a length is sent by the loop, and its thread goes
    on to the next request; one without is a stream, which keeps its thread."""

    def __init__(
        self, receive: Receive, send: Send, abort: Callable[[], None], leave: Callable[[], None]
    ) -> None:
        self._receive, self._send, self._abort, self._leave = receive, send, abort, leave
        self._loop = asyncio.get_running_loop()
        self._gone = threading.Event()
        self._watch = self._loop.create_task(self._notice_that_it_goes())
        self._start: dict[str, Any] = {}
        self.last = False

    # --- in a thread

    def run(self, wsgi: Wsgi, environ: dict[str, Any]) -> bytes | None:
        """The body of the answer; None where it was a stream, and has been sent.

        Raises ClientGone.
        """
        environ[STAY], environ[GONE] = self._stay, self._gone.is_set
        parts = wsgi(environ, self._begin)
        try:
            if any(name == b"content-length" for name, _ in self._start["headers"]):
                return b"".join(parts)
            self._stream(parts)
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                close()
        return None

    def _begin(self, status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        if self.last:
            sent.append((b"connection", b"close"))
        code = int(status.split(" ", 1)[0])
        self._start = {"type": "http.response.start", "status": code, "headers": sent}

    def _stream(self, parts: Iterable[bytes]) -> None:
        self._pass_on(self._start)
        for part in parts:
            if part:
                self._pass_on({"type": "http.response.body", "body": part, "more_body": True})
        self._pass_on({"type": "http.response.body", "body": b""})

    def _pass_on(self, message: dict[str, Any]) -> None:
        if self._gone.is_set():
            raise ClientGone
        sending = asyncio.run_coroutine_threadsafe(self._within_time(message), self._loop)
        try:
            sending.result(SEND_WITHIN_S * 1.5)
        except NotTaken:  # the loop itself has ended
            raise ClientGone from None

    def _stay(self) -> None:
        """This request keeps its thread for long: it counts as a stream from now on."""
        self._loop.call_soon_threadsafe(self._leave)

    # --- on the loop

    async def answer(self, body: bytes) -> None:
        """Send an answer that is whole. Raises ClientGone."""
        await self._within_time(self._start)
        for at in range(0, max(1, len(body)), PART_BYTES):
            more = at + PART_BYTES < len(body)
            part = body[at : at + PART_BYTES]
            await self._within_time({"type": "http.response.body", "body": part, "more_body": more})

    def end(self) -> None:
        """Nothing is left of it."""
        self._leave()
        self._watch.cancel()

    async def _within_time(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._send(message)
        except TimeoutError:
            self._gone.set()
            self._abort()
            raise ClientGone from None

    async def _notice_that_it_goes(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # the end of a body that there is not
        self._gone.set()
