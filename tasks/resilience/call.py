"""One call under a circuit, as a pybreaker storage: pybreaker decides, this keeps the state.

Each call has its own pybreaker circuit. A shared one would hold its lock while it queries Redis,
cache one state for all threads, and let every call through at half-open. Here one call makes the
probe, and the state of the fleet is kept behind `Circuit`.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pybreaker

from models.errors import (
    CircuitOpen,
    PermanentError,
    ProviderMisconfigured,
    ProviderRejected,
    UnusableAnswer,
)
from tasks.policies import BreakerPolicy
from tasks.resilience.circuit import PROBE_RETRY_S, Circuit


class CallStorage(pybreaker.CircuitBreakerStorage):
    """The circuit as this call found it, and what the call reports to it."""

    def __init__(
        self, name: str, circuit: Circuit, policy: BreakerPolicy, user_id: str = ""
    ) -> None:
        super().__init__(name)
        self._circuit = circuit
        self._policy = policy
        self._user_id = user_id
        self._found = circuit.snapshot(user_id)
        # Only the call that makes the probe is half-open; for all others the circuit is open.
        self._state = "closed" if self._found.state == "closed" else "open"
        self._token: str | None = None
        self._is_evidence = True
        self._opened = False

    def guard(self) -> pybreaker.CircuitBreaker:
        """The pybreaker circuit of this call."""
        return pybreaker.CircuitBreaker(
            fail_max=self._policy.failures,
            reset_timeout=self._policy.reset_s,
            exclude=[self.is_ignored],
            state_storage=self,
            name=self.name,
            throw_new_error_on_trip=False,
        )

    def is_ignored(self, error: BaseException) -> bool:
        """Whether an error does not count as a failure of the service.

        An error that does not even show that the service responds (a cancelled job, a bug of ours)
        makes this call no evidence at all.
        """
        # The service works well enough to refuse, or to answer something unusable.
        if isinstance(error, ProviderRejected | ProviderMisconfigured | UnusableAnswer):
            return True
        ours = isinstance(error, PermanentError | CircuitOpen)
        self._is_evidence = not ours and isinstance(error, self._policy.counts)
        return not self._is_evidence

    def end(self) -> None:
        """Return a probe whose call was no evidence."""
        if self._token is not None:
            self._end_probe(good=None)

    @property
    def wait_s(self) -> float:
        """Seconds until the next probe, or PROBE_RETRY_S if one is in progress."""
        return self._circuit.snapshot(self._user_id).wait_s or PROBE_RETRY_S

    # --- pybreaker's interface

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        if state == pybreaker.STATE_HALF_OPEN:
            self._begin_probe()
        elif self._token is not None:
            self._end_probe(good=state == pybreaker.STATE_CLOSED)
        self._state = state

    @property
    def opened_at(self) -> datetime | None:
        # pybreaker adds reset_timeout and compares with its own clock.
        wait_s = self._found.wait_s
        if not wait_s:
            return None
        return datetime.now(UTC) + timedelta(seconds=wait_s - self._policy.reset_s)

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        """Ignored: the circuit uses its own clock."""

    def increment_counter(self) -> None:
        if self._token is None:
            self._opened = self._circuit.failed(self._user_id)

    @property
    def counter(self) -> int:
        # The circuit counts and opens in one step.
        return self._policy.failures if self._opened else 0

    def reset_counter(self) -> None:
        # pybreaker calls this on success, to discard the failures; a circuit counts successes.
        if self._token is None and self._is_evidence:
            self._circuit.succeeded()

    @property
    def success_counter(self) -> int:
        return int(self._is_evidence)

    def _begin_probe(self) -> None:
        token = uuid4().hex
        if self._circuit.begin_probe(token, self._user_id):
            self._token = token
        elif self._circuit.snapshot(self._user_id).state != "closed":
            raise pybreaker.CircuitBreakerError("another call is probing")
        # Otherwise another call's probe has just closed it: this is an ordinary call.

    def _end_probe(self, *, good: bool | None) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._circuit.end_probe(token, good=good, user_id=self._user_id)
