"""Threads that repeat a step for as long as the process lives."""

import atexit
import threading
from collections.abc import Callable
from typing import Final

import redis
import structlog

from config.outages import Repeats, outages
from models.errors import DatabaseUnavailable

RETRY_AFTER_S: Final = 1.0
JOIN_WITHIN_S: Final = 1.0

log = structlog.get_logger(__name__)


class DaemonLoop:
    """A daemon thread that repeats a step until it is stopped, at the latest by the process's exit.

    No error ends it: an outage is noted, any other error is logged once a minute, and the step is
    tried again after a second.

    Args:
        name: names the thread, and the loop in the log.
        step: what to repeat.
        interval: returns the seconds to wait before a step; None waits for `wake`.
    """

    def __init__(
        self, name: str, step: Callable[[], object], interval: Callable[[], float | None]
    ) -> None:
        self.name = name
        self._step, self._interval = step, interval
        self._woken, self._stopped = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._errors = Repeats()

    def start(self) -> None:
        """Start the thread, once."""
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                thread.start()
                self._thread = thread
                atexit.register(self._end)

    def wake(self) -> None:
        """Begin the next step now."""
        if not self._woken.is_set():
            self._woken.set()

    def stop(self) -> None:
        """Make the step in progress the last one. Does not wait for it."""
        self._stopped.set()
        self._woken.set()

    def _end(self) -> None:
        """Stop before the interpreter does, which kills a daemon thread wherever it is."""
        self.stop()
        if self._thread is not None:
            self._thread.join(JOIN_WITHIN_S)

    def _run(self) -> None:
        failed = False
        while not self._stopped.is_set():
            failed = not self._turn(retry=failed)
        atexit.unregister(self._end)

    def _turn(self, *, retry: bool) -> bool:
        try:
            if not retry:
                self._wait()
            if not self._stopped.is_set():
                self._step()
        except Exception as error:  # noqa: BLE001 (the boundary: no step ends the loop)
            self._note(error)
            self._stopped.wait(RETRY_AFTER_S)
            return False
        return True

    def _wait(self) -> None:
        pause_s = self._interval()
        if pause_s != 0:
            self._woken.wait(pause_s)
        self._woken.clear()

    def _note(self, error: Exception) -> None:
        if isinstance(error, DatabaseUnavailable):
            outages.note("database", error)
        elif isinstance(error, redis.RedisError):
            outages.note("redis", error)
        elif self._errors.is_due(type(error)):
            log.exception(f"{self.name} failed")
