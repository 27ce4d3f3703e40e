"""A watch over one call: how long it may take and be silent, and whether it is still wanted.

The call's connection (`connection.py`) checks it, in the thread of the call.
"""

import threading
import time
from contextvars import ContextVar
from types import TracebackType
from typing import Final

import httpx

from config.minds import EMBEDDED_MODEL
from models.errors import ProviderUnavailable, Superseded, TrimindError
from tasks.execution.waiting import begin_waiting, end_waiting

POLL_S: Final = 0.5
# A call that has been silent for this long waits: another thread may work meanwhile.
PATIENCE_S: Final = 0.03

_current: ContextVar["Watch | None"] = ContextVar("watch", default=None)


def current() -> "Watch | None":
    """Return the watch of this thread's call, if any."""
    return _current.get()


class Watch:
    """Watches the call made in its block, and closes the response at the end.

    Args:
        name: the model's name, for messages.
        limit_s: the time limit of the whole call.
        silence_s: the limit of silence; the caller may change it.
        max_bytes: the size limit of a successful response, decompressed.
        stop: set when the answer is no longer wanted.
    """

    def __init__(
        self,
        name: str,
        limit_s: float,
        silence_s: float,
        max_bytes: int,
        stop: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.silence_s = silence_s
        self.max_bytes = max_bytes
        self.response: httpx.Response | None = None
        self.failure: TrimindError | None = None
        self.sent = False  # whether the request was sent
        self.waits = False  # whether the provider takes long
        self._room = 0 if name == EMBEDDED_MODEL else 1  # how many threads may work meanwhile
        self._limit_s = limit_s
        self._ends = time.monotonic() + limit_s
        self._ends_early: float | None = None
        self._stop = stop

    @property
    def stopped(self) -> bool:
        """Whether the answer is no longer wanted."""
        return self._stop is not None and self._stop.is_set()

    @property
    def answered(self) -> bool:
        """Whether the provider has responded with success."""
        return self.response is not None and self.response.is_success

    @property
    def abandoned(self) -> bool:
        """Whether the call was abandoned while the provider worked on it, which it bills."""
        return self.sent and isinstance(self.failure, ProviderUnavailable | Superseded)

    @property
    def pause_s(self) -> float:
        """How long the call's connection may wait for bytes before it checks again."""
        return min(POLL_S if self.waits else PATIENCE_S, self.silence_s)

    def check(self, since: float) -> None:
        """End the call if it is stopped or has exceeded a limit.

        Args:
            since: when the call began to wait for bytes.

        Raises:
            httpx.ReadTimeout: which all libraries know; the reason is in `failure`.
        """
        now = time.monotonic()
        if self.stopped:
            self.end(Superseded("The stage now belongs to another run."))
        if now > (self._ends_early or self._ends):
            self.end(ProviderUnavailable(f"{self.name} took longer than {self._limit_s:.0f} s."))
        if now - since > self.silence_s:
            self.end(ProviderUnavailable(f"{self.name} was silent for {self.silence_s:.0f} s."))

    def wait(self) -> None:
        """Let another thread work until the call ends: its provider takes long. The embedded model
        does not wait, it keeps this machine busy."""
        if not self.waits:
            self.waits = True
            begin_waiting(self._room)

    def end_within(self, seconds: float | None) -> None:
        """Shorten what is left of the call's time limit, or restore it with None."""
        self._ends_early = None if seconds is None else min(self._ends, time.monotonic() + seconds)

    def end(self, failure: TrimindError) -> None:
        """End the call with this failure. Raises httpx.ReadTimeout."""
        self.failure = failure
        raise httpx.ReadTimeout(str(failure))

    def __enter__(self) -> "Watch":
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.reset(self._token)
        if self.waits:
            self.waits = False
            end_waiting(self._room)
        if self.response is not None:
            self.response.close()
