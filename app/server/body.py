"""Request bodies, read whole on the event loop before a thread gets the request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from app.http.errors import BodyTooLarge, RequestTimeout, TooManyBodies
from app.http.problems import Problem

# The memory of all bodies that are being received in a process.
BODIES_BYTES: Final = 64 * 1024 * 1024
# A body over the limit is read and discarded up to here, since a client that is still sending would
# lose the response.
READ_PAST_BYTES: Final = 8 * 1024 * 1024
RETRY_AFTER_S: Final = 5

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class ClientGone(Exception):
    """The client has closed its connection."""


class BodyRefused(Exception):
    """The body is not read to its end; the problem is the response."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Bodies:
    """The bodies of a process, which share a bound of their memory.

    Args:
        limit: the maximum bytes of a body.
        within_s: the seconds within which a body must arrive.
    """

    def __init__(self, limit: int, within_s: float) -> None:
        self._limit, self._within_s = limit, within_s
        self._held = 0

    async def read(self, receive: Receive, reservation: "Reservation") -> tuple[bytes, int]:
        """Return the body and its length; of a body over the limit, the length alone.

        Raises BodyRefused (408, 413, 503) or ClientGone.
        """
        try:
            async with asyncio.timeout(self._within_s):
                return await self._read(receive, reservation)
        except TimeoutError:
            detail = f"The body did not arrive within {self._within_s:g} s."
            raise BodyRefused(Problem(RequestTimeout, detail)) from None

    @contextmanager
    def reservation(self) -> Iterator["Reservation"]:
        """Memory for a body, released at the end if not before."""
        reservation = Reservation(self._take)
        try:
            yield reservation
        finally:
            reservation.release()

    def _take(self, size: int) -> None:
        if size > 0 and self._held + size > BODIES_BYTES:
            detail = "Too many request bodies are being received. Try again."
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            raise BodyRefused(Problem(TooManyBodies, detail, headers=headers))
        self._held += size

    async def _read(self, receive: Receive, reservation: "Reservation") -> tuple[bytes, int]:
        body, length = bytearray(), 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            part = message.get("body", b"")
            length += len(part)
            if length <= self._limit:
                reservation.add(len(part))
                body += part
            elif length > READ_PAST_BYTES:
                raise BodyRefused(Problem(BodyTooLarge, "The body is too large."))
            if not message.get("more_body"):
                return (bytes(body), length) if length <= self._limit else (b"", length)


class Reservation:
    """The memory that one body takes."""

    def __init__(self, take: Callable[[int], None]) -> None:
        self._take = take
        self._size = 0

    def add(self, size: int) -> None:
        """Take more. Raises BodyRefused if there is no more."""
        self._take(size)
        self._size += size

    def release(self) -> None:
        """Give everything back."""
        self._take(-self._size)
        self._size = 0
