"""A circuit in the memory of one process: no I/O, a few microseconds per call."""

import threading
import time
from collections import deque

import structlog

from tasks.policies import BreakerPolicy
from tasks.resilience.circuit import CLOSED, PROBE_RETRY_S, Snapshot

log = structlog.get_logger(__name__)


class _Gate:
    """Closed without `due`; from `due` on it may be probed, and `probe` is the probe's token."""

    def __init__(self, due: float | None = None) -> None:
        self.due = due
        self.probe: str | None = None

    def snapshot(self) -> Snapshot:
        due = self.due
        if due is None:
            return CLOSED
        if self.probe is not None:
            return Snapshot("half-open", time.monotonic() + PROBE_RETRY_S)
        return Snapshot("open", due)

    def begin(self, token: str) -> bool:
        if self.due is None or self.probe is not None or time.monotonic() < self.due:
            return False
        self.probe = token
        return True


class LocalCircuit:
    """A circuit that counts only this process's failures. Its lock is never held during a call.

    A probe needs no lease: it always ends, at the latest with the process and the circuit.
    """

    def __init__(self, name: str, policy: BreakerPolicy) -> None:
        self.name = name
        self._policy = policy
        self._lock = threading.Lock()
        self._failures: deque[tuple[float, int, str]] = deque(maxlen=policy.failures)
        self._successes = 0  # since the last failure; losing a few between threads is harmless
        self._all = _Gate()
        self._own: dict[str, _Gate] = {}  # by user, if it is open for that user only
        self._suspect: str | None = None  # the user whose probe for all failed last

    def snapshot(self, user_id: str = "") -> Snapshot:
        of_all = self._all.snapshot()
        own = self._own.get(user_id)
        return of_all if own is None else stricter(of_all, own.snapshot())

    def succeeded(self) -> None:
        self._successes += 1

    def failed(self, user_id: str = "", successes: int | None = None) -> bool:
        """Count a failure after so many successes, by default those counted here."""
        with self._lock:
            if self._all.due is None:
                before = self.take_successes() if successes is None else successes
                self._count(user_id, before)
            return self._all.due is not None or user_id in self._own

    def take_successes(self) -> int:
        """Return the number of successful ordinary calls since the last time, and reset it."""
        taken, self._successes = self._successes, 0
        return taken

    def begin_probe(self, token: str, user_id: str = "") -> bool:
        with self._lock:
            own = self._own.get(user_id)
            if self._all.due is None:
                return own is not None and own.begin(token)
            if own is not None and own.due is not None and time.monotonic() < own.due:
                return False
            return self._all.begin(token)

    def end_probe(self, token: str, *, good: bool | None, user_id: str = "") -> None:
        with self._lock:
            own = self._own.get(user_id)
            if self._all.probe == token:
                self._all.probe = None
                self._end_probe_for_all(user_id, good)
            elif own is not None and own.probe == token:
                own.probe = None
                self._end_own_probe(user_id, good)

    def reset(self) -> None:
        with self._lock:
            self._forget()

    def _end_probe_for_all(self, user_id: str, good: bool | None) -> None:
        if good:
            self._forget()
            log.warning("breaker closed", breaker=self.name)
        elif good is not None:
            if not user_id or self._suspect not in (None, user_id):
                self._open()
            else:
                self._suspect = user_id
                self._block(user_id)

    def _end_own_probe(self, user_id: str, good: bool | None) -> None:
        if good:
            del self._own[user_id]
            others = [failure for failure in self._failures if failure[2] != user_id]
            self._failures = deque(others, self._policy.failures)
            log.warning("breaker closed for one user", breaker=self.name, user_id=user_id)
        elif good is not None:
            if self._all.due is None:
                self._count(user_id, 0)
            if self._all.due is None:
                self._block(user_id)

    def _count(self, user_id: str, successes: int) -> None:
        now = time.monotonic()
        self._failures.append((now, successes, user_id))
        if not self._is_too_much(now):
            return
        if not user_id or any(who != user_id for _, _, who in self._failures):
            self._open()
        elif user_id not in self._own:
            self._block(user_id)

    def _is_too_much(self, now: float) -> bool:
        oldest = self._failures[0][0]
        between = sum(successes for _, successes, _ in list(self._failures)[1:])
        return (
            len(self._failures) == self._policy.failures
            and oldest > now - self._policy.window_s
            and between <= self._policy.failures
        )

    def _open(self) -> None:
        self._all.due, self._suspect = time.monotonic() + self._policy.reset_s, None
        log.warning("breaker opened", breaker=self.name, reset_s=self._policy.reset_s)

    def _block(self, user_id: str) -> None:
        now = time.monotonic()
        self._own = {who: gate for who, gate in self._own.items() if not self._is_over(gate, now)}
        self._own[user_id] = _Gate(now + self._policy.reset_s)
        log.warning("breaker opened for one user", breaker=self.name, user_id=user_id)

    def _is_over(self, gate: _Gate, now: float) -> bool:
        """Whether its user has made no call for a long time."""
        return gate.probe is None and (gate.due or 0) + self._policy.window_s < now

    def _forget(self) -> None:
        self._all, self._own, self._suspect = _Gate(), {}, None
        self._failures.clear()
        self._successes = 0


def stricter(one: Snapshot, other: Snapshot) -> Snapshot:
    """Return the snapshot that makes a call wait longer."""
    if one.state == "closed":
        return other
    return one if other.state == "closed" or one.until >= other.until else other
