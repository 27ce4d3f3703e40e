"""A circuit in the memory of one process: no input or output, a few microseconds."""

import threading
import time
from collections import deque

import structlog

from tasks.policies import BreakerPolicy
from tasks.resilience.circuit import CLOSED, PROBE_RETRY_S, Sight

log = structlog.get_logger(__name__)


class LocalCircuit:
    """The failures of this process alone. Its lock is never held through a call.

    A probe has no lease: its end always comes, unless the process ends, and the circuit with it.
    """

    def __init__(self, name: str, policy: BreakerPolicy) -> None:
        self.name = name
        self._policy = policy
        self._lock = threading.Lock()
        self._failures: deque[tuple[float, int]] = deque(maxlen=policy.failures)
        self._successes = 0  # since the last failure; a few lost between threads do not matter
        self._due: float | None = None
        self._probe: str | None = None

    def look(self) -> Sight:
        due = self._due
        if due is None:
            return CLOSED
        if self._probe is not None:
            return Sight("half-open", time.monotonic() + PROBE_RETRY_S)
        return Sight("open", due)

    def succeeded(self) -> None:
        self._successes += 1

    def failed(self, successes: int | None = None) -> bool:
        """Count a failure, after so many successes; by default those that were noted here."""
        with self._lock:
            if self._due is None:
                now = time.monotonic()
                before = self.take_successes() if successes is None else successes
                self._failures.append((now, before))
                if self._is_too_much(now):
                    self._open(now)
            return self._due is not None

    def take_successes(self) -> int:
        """Ordinary calls that went well since this was asked last."""
        taken, self._successes = self._successes, 0
        return taken

    def begin_probe(self, token: str) -> bool:
        with self._lock:
            due = self._due
            if due is None or self._probe is not None or time.monotonic() < due:
                return False
            self._probe = token
            return True

    def end_probe(self, token: str, *, good: bool | None) -> None:
        with self._lock:
            if self._probe != token:
                return
            self._probe = None
            if good:
                self._forget()
                log.warning("breaker closed", breaker=self.name)
            elif good is not None:
                self._open(time.monotonic())

    def reset(self) -> None:
        with self._lock:
            self._forget()

    def _is_too_much(self, now: float) -> bool:
        oldest = self._failures[0][0]
        between = sum(successes for _, successes in list(self._failures)[1:])
        return (
            len(self._failures) == self._policy.failures
            and oldest > now - self._policy.window_s
            and between <= self._policy.failures
        )

    def _open(self, now: float) -> None:
        self._due = now + self._policy.reset_s
        log.warning("breaker opened", breaker=self.name, reset_s=self._policy.reset_s)

    def _forget(self) -> None:
        self._due = self._probe = None
        self._failures.clear()
        self._successes = 0
