"""A circuit that all processes share through Redis; each has its own while Redis is unavailable.

The state is cached for up to a second, so an ordinary call costs no round trip. A circuit that is
open in Redis counts as closed while Redis is unavailable; this process's failures may open it.
"""

import threading
import time
from typing import Final, cast

import structlog

from tasks.daemon_loop import DaemonLoop
from tasks.policies import BreakerPolicy
from tasks.resilience.circuit import CLOSED, PROBE_RETRY_S, Snapshot, State
from tasks.resilience.local import LocalCircuit, stricter
from tasks.resilience.store import Reply, breaker_store

FRESH_S: Final = 1.0

log = structlog.get_logger(__name__)


class FleetCircuit:
    """The fleet's circuit of this name, as seen by this process."""

    def __init__(self, name: str, policy: BreakerPolicy) -> None:
        self.name = name
        self._policy = policy
        self._alone = LocalCircuit(name, policy)
        self._is_alone = False
        self._seen = CLOSED
        self._blocked: dict[str, Snapshot] = {}  # by user, if it is open for that user only
        self._seen_at = float("-inf")
        # Shorter for a circuit that soon changes, so that no call acts on a stale state.
        self._fresh_s = min(FRESH_S, policy.reset_s / 4)
        self._looking = threading.Lock()
        self._leases: dict[str, DaemonLoop] = {}

    def snapshot(self, user_id: str = "") -> Snapshot:
        age = time.monotonic() - self._seen_at
        # One thread asks. The others use the cached state, unless it is too old.
        if age >= self._fresh_s and self._looking.acquire(blocking=age >= 2 * self._fresh_s):
            try:
                if time.monotonic() - self._seen_at >= self._fresh_s:
                    self._ask("look")
            finally:
                self._looking.release()
        if self._is_alone:
            return self._alone.snapshot(user_id)
        own = self._blocked.get(user_id)
        return self._seen if own is None else stricter(self._seen, own)

    def succeeded(self) -> None:
        self._alone.succeeded()

    def failed(self, user_id: str = "") -> bool:
        successes = self._alone.take_successes()
        reply = self._ask("fail", successes=successes, user_id=user_id)
        if reply is None:
            return self._alone.failed(user_id, successes)  # they were taken from it above
        return reply.state != "closed" or user_id in reply.blocked

    def begin_probe(self, token: str, user_id: str = "") -> bool:
        reply = self._ask("probe", token=token, user_id=user_id)
        if reply is None:
            return self._alone.begin_probe(token, user_id)
        if reply.event != "probing":
            return False
        log.info("breaker probe started", breaker=self.name)
        self._extend_lease(token, user_id)
        return True

    def end_probe(self, token: str, *, good: bool | None, user_id: str = "") -> None:
        kept = self._leases.pop(token, None)
        if kept is None:  # it began while Redis was unavailable
            self._alone.end_probe(token, good=good, user_id=user_id)
            return
        kept.stop()
        verb = {True: "good", False: "bad", None: "back"}[good]
        self._ask(verb, token=token, user_id=user_id)

    def reset(self) -> None:
        self._alone.reset()
        self._seen_at = float("-inf")

    def _extend_lease(self, token: str, user_id: str) -> None:
        """Extend the probe's lease while its call lasts, however long a model reasons. If the
        process dies, the lease lapses and another call may probe."""

        def extend() -> None:
            breaker_store.ask("renew", self.name, self._policy, token=token, user_id=user_id)

        loop = DaemonLoop(f"probe {self.name}", extend, lambda: self._policy.lease_s / 3)
        self._leases[token] = loop
        loop.start()

    def _ask(
        self, verb: str, *, token: str = "", successes: int = 0, user_id: str = ""
    ) -> Reply | None:
        reply = breaker_store.ask(
            verb, self.name, self._policy, token=token, successes=successes, user_id=user_id
        )
        if reply is None:
            self._is_alone = True
        else:
            if self._is_alone:
                self._is_alone = False
                self._alone.reset()
            self._blocked = {who: _snapshot(*of) for who, of in reply.blocked.items()}
            self._seen = _snapshot(reply.state, reply.rest_s)
            self._log_event(reply.event, user_id)
        self._seen_at = time.monotonic()
        return reply

    def _log_event(self, event: str, user_id: str) -> None:
        if event in ("opened", "closed"):
            log.warning(f"breaker {event}", breaker=self.name)
        elif event in ("blocked", "released"):
            done = "opened" if event == "blocked" else "closed"
            log.warning(f"breaker {done} for one user", breaker=self.name, user_id=user_id)


def _snapshot(state: str, rest_s: float) -> Snapshot:
    if state == "closed":
        return CLOSED
    rest_s = min(PROBE_RETRY_S, rest_s) if state == "half-open" else rest_s
    return Snapshot(cast(State, state), time.monotonic() + rest_s)
