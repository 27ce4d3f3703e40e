"""The users' own limits, as this process knows them: a change reaches it within seconds."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from config.once import once
from config.outages import outages
from models.errors import DatabaseUnavailable
from models.limits import Limits, limits_changed_since
from models.session import statements
from models.statement import Runner

FRESH_S: Final = 3.0
# A transaction that takes longer from its change to its commit would be missed.
OVERLAP: Final = timedelta(minutes=1)
DEFAULTS: Final = Limits()


class KnownLimits:
    """The limits of all users that have their own, about 300 bytes each. Thread-safe.

    Only what has changed is read, by one query every `fresh_s` seconds, however many users call:
    most of them have no limits of their own.
    """

    def __init__(self, fresh_s: float = FRESH_S) -> None:
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._known: dict[str, Limits] = {}
        self._newest = datetime(2000, 1, 1, tzinfo=UTC)
        self._fresh_until = 0.0

    def of(self, user_id: str, within: Runner | None = None) -> Limits:
        """A user's own limits. While the database is unavailable, as they were last.

        Args:
            within: the transaction that the caller is in, if any. It reads what has changed, since
                the pool may have no second connection; its errors are the caller's.
        """
        if time.monotonic() >= self._fresh_until:
            if within is not None:
                self._read(within)
            else:
                self._refresh(first=self._fresh_until == 0)
        return self._known.get(user_id, DEFAULTS)

    def _refresh(self, *, first: bool) -> None:
        """Read what has changed, in one thread: no other waits for it but the very first ones."""
        if not self._lock.acquire(blocking=first):
            return
        try:
            if time.monotonic() >= self._fresh_until:  # no other thread has
                with statements() as connection:
                    self._read(connection)
        except DatabaseUnavailable as error:
            cause = error.__cause__
            outages.note("database", cause if isinstance(cause, Exception) else error)
            self._fresh_until = time.monotonic() + self._fresh_s
        finally:
            self._lock.release()

    def _read(self, runner: Runner) -> None:
        """Several threads may: what they read is the same, or newer."""
        for user_id, (limits, at) in limits_changed_since(runner, self._newest - OVERLAP).items():
            self._known[user_id] = limits
            self._newest = max(self._newest, at)
        self._fresh_until = time.monotonic() + self._fresh_s


@once
def known_limits() -> KnownLimits:
    """The limits that this process knows."""
    return KnownLimits()
