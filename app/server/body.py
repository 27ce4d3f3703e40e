"""The body of a request, read whole on the event loop before a thread hears of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from app.http.errors import BodyTooLarge, RequestTimeout, TooManyBodies
from app.http.problems import Problem

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
    """The bodies of a process, within one bound for all of them together.

    Args:
        limit: the bytes that a body may have.
        within_s: the seconds in which it has to come; its sender is given up after that.
    """

    def __init__(self, limit: int, within_s: float) -> None:
        self._limit, self._within_s = limit, within_s
        self._held = 0

    async def read(self, receive: Receive, room: "Room") -> tuple[bytes, int]:
        """The body, and its length: more than the body has where it is over the limit.

        Raises BodyRefused (408, 413, 503), or ClientGone.
        """
        try:
            async with asyncio.timeout(self._within_s):
                return await self._read(receive, room)
        except TimeoutError:
            detail = f"The body did not arrive within {self._within_s:g} s."
            raise BodyRefused(Problem(RequestTimeout, detail)) from None

    @contextmanager
    def room(self) -> Iterator["Room"]:
        """Room for a body, which is given back at the end, if not before."""
        room = Room(self._take)
        try:
            yield room
        finally:
            room.leave()

    def _take(self, size: int) -> None:
        if size > 0 and self._held + size > BODIES_BYTES:
            detail = "Too many request bodies are being received. Try again."
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            raise BodyRefused(Problem(TooManyBodies, detail, headers=headers))
        self._held += size

    async def _read(self, receive: Receive, room: "Room") -> tuple[bytes, int]:
        body, length = bytearray(), 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            part = message.get("body", b"")
            length += len(part)
            if length <= self._limit:
                room.add(len(part))
                body += part
            elif length > READ_PAST_BYTES:
                raise BodyRefused(Problem(BodyTooLarge, "The body is too large."))
            if not message.get("more_body"):
                return (bytes(body), length) if length <= self._limit else (b"", length)


class Room:
    """What one body holds of it."""

    def __init__(self, take: Callable[[int], None]) -> None:
        self._take = take
        self._size = 0

    def add(self, size: int) -> None:
        """Hold more. Raises BodyRefused where there is no more."""
        self._take(size)
        self._size += size

    def leave(self) -> None:
        """Hold nothing any more."""
        self._take(-self._size)
        self._size = 0
