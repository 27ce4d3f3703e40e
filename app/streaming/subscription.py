"""What one client receives about its jobs."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

from tasks.events.envelope import Envelope

# A client that lags further behind reads the row instead, so that its queue stays bounded.
MAX_QUEUED: Final = 1000

Received = tuple[str, Envelope | None]


class Subscription:
    """A queue of job ids, each with an envelope, or None if the job's row should be read.

    It belongs to the event loop in which it was created; `put`, `opened` and `end` may be called
    from any thread.

    Args:
        only_ends: drop every other envelope at once, without waking the loop.
    """

    def __init__(self, *, only_ends: bool = False) -> None:
        self.ended = False
        self._only_ends = only_ends
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Received] = deque()
        self._closed: set[str] = set()
        self._waiter: asyncio.Future[None] | None = None

    def note_closed(self, job_ids: set[str]) -> None:
        """Note that these jobs' channels are not open yet."""
        self._closed |= job_ids

    async def wait_until_open(self, within_s: float) -> None:
        """Return once all channels are open, or after `within_s`."""
        until = self._loop.time() + within_s
        while self._closed and not self.ended and (left := until - self._loop.time()) > 0:
            await self._wait(left)

    async def get(self, timeout_s: float) -> Received | None:
        """The next item; None if there was none in time, or none will come."""
        until = self._loop.time() + timeout_s
        while not self._queue and not self.ended and (left := until - self._loop.time()) > 0:
            await self._wait(left)
        return self._queue.popleft() if self._queue else None

    def take_queued(self) -> list[Received]:
        """All items that are there now."""
        queued, self._queue = list(self._queue), deque()
        return queued

    # --- from any thread

    def put(self, job_id: str, envelope: Envelope | None) -> None:
        """Queue an envelope of a job."""
        if self._only_ends and envelope is not None and envelope.kind != "ended":
            return
        self._call(self._take, job_id, envelope)

    def opened(self, job_id: str) -> None:
        """Note that a job's channel is open."""
        self._call(self._note_open, job_id)

    def end(self) -> None:
        """Note that nothing more will come."""
        self._call(self._note_end)

    def _call(self, what: object, *given: object) -> None:
        with suppress(RuntimeError):  # its loop was closed
            self._loop.call_soon_threadsafe(what, *given)  # type: ignore[arg-type]

    # --- on the loop

    def _take(self, job_id: str, envelope: Envelope | None) -> None:
        if len(self._queue) >= MAX_QUEUED:
            jobs = {job for job, _ in self._queue} | {job_id}
            self._queue = deque((job, None) for job in jobs)
        else:
            self._queue.append((job_id, envelope))
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
