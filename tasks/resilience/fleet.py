"""A circuit that all processes share through Redis, and each has alone while Redis is away.

What was seen is good for a second at most, so an ordinary call costs no round trip. A circuit that
Redis knew to be open is closed while Redis is away; the failures of this process may open it.
"""

import threading
import time
from typing import Final, cast

import structlog

from tasks.policies import BreakerPolicy
from tasks.resilience.board import Reply, board
from tasks.resilience.circuit import CLOSED, PROBE_RETRY_S, Sight, State
from tasks.resilience.local import LocalCircuit

FRESH_S: Final = 1.0

log = structlog.get_logger(__name__)


class FleetCircuit:
    """The fleet's circuit of this name, seen from this process."""

    def __init__(self, name: str, policy: BreakerPolicy) -> None:
        self.name = name
        self._policy = policy
        self._alone = LocalCircuit(name, policy)
        self._is_alone = False
        self._seen = CLOSED
        self._seen_at = float("-inf")
        # Shorter where the circuit soon has another state: nobody may act on one long gone.
        self._fresh_s = min(FRESH_S, policy.reset_s / 4)
        self._looking = threading.Lock()
        self._leases: dict[str, threading.Event] = {}

    def look(self) -> Sight:
        age = time.monotonic() - self._seen_at
        # One thread asks. The others go on with what was seen, unless that is too old for it.
        if age >= self._fresh_s and self._looking.acquire(blocking=age >= 2 * self._fresh_s):
            try:
                if time.monotonic() - self._seen_at >= self._fresh_s:
                    self._ask("look")
            finally:
                self._looking.release()
        return self._alone.look() if self._is_alone else self._seen

    def succeeded(self) -> None:
        self._alone.succeeded()

    def failed(self) -> bool:
        successes = self._alone.take_successes()
        reply = self._ask("fail", successes=successes)
        if reply is None:
            return self._alone.failed(successes)  # taken already, and not lost
        return reply.state != "closed"

    def begin_probe(self, token: str) -> bool:
        reply = self._ask("probe", token=token)
        if reply is None:
            return self._alone.begin_probe(token)
        if reply.event != "probing":
            return False
        log.info("breaker probes", breaker=self.name)
        self._keep(token)
        return True

    def end_probe(self, token: str, *, good: bool | None) -> None:
        kept = self._leases.pop(token, None)
        if kept is None:  # begun while Redis was away
            self._alone.end_probe(token, good=good)
            return
        kept.set()
        self._ask({True: "good", False: "bad", None: "back"}[good], token=token)

    def reset(self) -> None:
        self._alone.reset()
        self._seen_at = float("-inf")

    def _keep(self, token: str) -> None:
        """Extend the probe's lease while its call lasts; one that dies is another's in no time."""
        ended = self._leases[token] = threading.Event()

        def extend() -> None:
            while not ended.wait(self._policy.lease_s / 3):
                board.ask("renew", self.name, self._policy, token=token)

        threading.Thread(target=extend, name=f"probe {self.name}", daemon=True).start()

    def _ask(self, verb: str, *, token: str = "", successes: int = 0) -> Reply | None:
        reply = board.ask(verb, self.name, self._policy, token=token, successes=successes)
        if reply is None:
            self._is_alone = True
        else:
            if self._is_alone:
                self._is_alone = False
                self._alone.reset()
            self._seen = _sight(reply)
            self._tell(reply.event)
        self._seen_at = time.monotonic()
        return reply

    def _tell(self, event: str) -> None:
        if event in ("opened", "closed"):
            log.warning(f"breaker {event}", breaker=self.name)


def _sight(reply: Reply) -> Sight:
    state = cast(State, reply.state)
    if state == "closed":
        return CLOSED
    rest_s = min(PROBE_RETRY_S, reply.rest_s) if state == "half-open" else reply.rest_s
    return Sight(state, time.monotonic() + rest_s)
