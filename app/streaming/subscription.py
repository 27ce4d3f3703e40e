"""What one client hears of its jobs."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

from tasks.events.envelope import Envelope

# Who lags behind by more reads the row instead: a reader that takes nothing costs no more memory.
HEARD_MAX: Final = 1000

Heard = tuple[str, Envelope | None]


class Subscription:
    """A job's id and an envelope, or None where its row should be read.

    It belongs to the event loop in which it was made; `put`, `opened` and `end` may be called from
    any thread.
    """

    def __init__(self) -> None:
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._heard: deque[Heard] = deque()
        self._closed: set[str] = set()
        self._waiter: asyncio.Future[None] | None = None

    async def wait_until_open(self, closed: set[str], within_s: float) -> None:
        """Return once these jobs' channels are open, or after so many seconds."""
        self._closed |= closed
        until = self._loop.time() + within_s
        while self._closed and not self.ended and (left := until - self._loop.time()) > 0:
            await self._wait(left)

    async def get(self, timeout_s: float) -> Heard | None:
        """The next that was heard; None: nothing within the time, or nothing more comes."""
        until = self._loop.time() + timeout_s
        while not self._heard and not self.ended and (left := until - self._loop.time()) > 0:
            await self._wait(left)
        return self._heard.popleft() if self._heard else None

    # --- from any thread

    def put(self, job_id: str, envelope: Envelope | None) -> None:
        """Hear something."""
        self._call(self._take, job_id, envelope)

    def opened(self, job_id: str) -> None:
        """A job's channel is open."""
        self._call(self._note_open, job_id)

    def end(self) -> None:
        """Nothing more comes."""
        self._call(self._note_end)

    def _call(self, what: object, *given: object) -> None:
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(what, *given)  # type: ignore[arg-type]

    # --- on the loop

    def _take(self, job_id: str, envelope: Envelope | None) -> None:
        if len(self._heard) >= HEARD_MAX:
            jobs = {job for job, _ in self._heard} | {job_id}
            self._heard = deque((job, None) for job in jobs)
        else:
            self._heard.append((job_id, envelope))
        self._wake()

    def _note_open(self, job_id: str) -> None:
        self._closed.discard(job_id)
        if not self._closed:
            self._wake()

    def _note_end(self) -> None:
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, seconds: float) -> None:
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
