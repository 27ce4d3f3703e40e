"""A watch over one call: how long it may take and be silent, and whether it is still wanted.

It is looked at by the connection that the call reads from (`wire.py`), in the thread of the call.
"""

import threading
import time
from contextvars import ContextVar
from types import TracebackType

import httpcore
import httpx

from models.errors import ProviderUnavailable, Superseded, TrimindError

_current: ContextVar["Watch | None"] = ContextVar("watch", default=None)


def current() -> "Watch | None":
    """The watch of the call that this thread makes."""
    return _current.get()


class Watch:
    """Watches the one call that is made inside it, and closes its connection at the end.

    Args:
        name: the model's, for messages.
        limit_s: seconds that the whole call may take.
        silence_s: seconds without a byte after which it is over; the caller may change it.
        most_bytes: how large an answer with a status of 200 may be, unpacked.
        stop: set when nobody wants the answer any more.
    """

    def __init__(
        self,
        name: str,
        limit_s: float,
        silence_s: float,
        most_bytes: int,
        stop: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.silence_s = silence_s
        self.most_bytes = most_bytes
        self.response: httpx.Response | None = None
        self.failure: TrimindError | None = None
        self.asked = False  # whether the request was sent
        self._limit_s = limit_s
        self._ends = time.monotonic() + limit_s
        self._hurried: float | None = None
        self._stop = stop

    @property
    def stopped(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._stop is not None and self._stop.is_set()

    @property
    def answered(self) -> bool:
        """Whether the provider has begun an answer that is no error."""
        return self.response is not None and self.response.is_success

    @property
    def abandoned(self) -> bool:
        """Whether the call was given up while the provider worked on it, which it bills."""
        return self.asked and isinstance(self.failure, ProviderUnavailable | Superseded)

    def look(self, since: float) -> None:
        """End a call that has to end; `since` is when it began to wait for bytes.

        Raises httpcore.ReadTimeout, which all libraries know; why is in `failure`.
        """
        now = time.monotonic()
        if self.stopped:
            self.end(Superseded("The stage belongs to another run now."))
        if now > (self._hurried or self._ends):
            self.end(ProviderUnavailable(f"{self.name} took longer than {self._limit_s:.0f} s."))
        if now - since > self.silence_s:
            self.end(ProviderUnavailable(f"{self.name} was silent for {self.silence_s:.0f} s."))

    def hurry(self, seconds: float | None) -> None:
        """Let the call go on for so long at most; None: as long as it might at first."""
        self._hurried = None if seconds is None else min(self._ends, time.monotonic() + seconds)

    def end(self, failure: TrimindError) -> None:
        """End the call for this reason. Raises httpcore.ReadTimeout."""
        self.failure = failure
        raise httpcore.ReadTimeout(str(failure))

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
        if self.response is not None:
            self.response.close()
