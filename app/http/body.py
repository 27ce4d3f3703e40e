"""The body of a request, read whole on the event loop before a thread hears of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from app.problem import Problem

# A whole body takes no longer, or its sender is given up: 408.
BODY_WITHIN_S: Final = 30.0
# What all bodies that are on their way may hold in a process.
BODIES_BYTES: Final = 64 * 1024 * 1024
# More than fits is read and forgotten up to here: a client that still sends would lose the answer.
READ_PAST_BYTES: Final = 8 * 1024 * 1024
RETRY_AFTER_S: Final = 5

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class ClientGone(Exception):
    """Nobody is there any more to be answered."""


class BodyRefused(Exception):
    """The body is not read to its end; says what the client is told."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Bodies:
    """Reads the bodies of a process, within one bound for all of them together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    async def read(self, receive: Receive) -> tuple[bytes, int]:
        """The body, and its length: more than the body has where it is over the limit.

        Raises BodyRefused (408, 413, 503), or ClientGone.
        """
        parts = bytearray()
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                return await self._read(receive, parts)
        except TimeoutError:
            detail = f"The body did not come within {BODY_WITHIN_S:.0f} s."
            raise BodyRefused(Problem(408, "request_timeout", detail)) from None
        finally:
            self._held -= len(parts)

    async def _read(self, receive: Receive, parts: bytearray) -> tuple[bytes, int]:
        length = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            part = message.get("body", b"")
            length += len(part)
            if length <= self._limit:
                self._keep(part, parts)
            elif length > READ_PAST_BYTES:
                raise BodyRefused(Problem(413, "body_too_large", "The body is too large."))
            if not message.get("more_body"):
                return (bytes(parts), length) if length <= self._limit else (b"", length)

    def _keep(self, part: bytes, parts: bytearray) -> None:
        if self._held + len(part) > BODIES_BYTES:
            detail = "Too many bodies are on their way. Try again."
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            raise BodyRefused(Problem(503, "too_many_bodies", detail, headers=headers))
        self._held += len(part)
        parts += part
