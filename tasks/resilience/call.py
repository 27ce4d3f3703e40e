"""One call under a circuit, as a storage of pybreaker: pybreaker's states decide, this remembers.

Each call has a pybreaker circuit of its own. One for all would hold its lock while it asks Redis,
cache one state for all threads, and let everybody through at half-open; here the probe is one
call's, and the fleet's memory is behind `Circuit`.
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
    """The circuit as this call found it, and what the call tells of it."""

    def __init__(
        self, name: str, circuit: Circuit, policy: BreakerPolicy, user_id: str = ""
    ) -> None:
        super().__init__(name)
        self._circuit = circuit
        self._policy = policy
        self._user_id = user_id
        self._sight = circuit.look(user_id)
        # Half-open is only the state of the call that makes the probe; to all others it is open.
        self._state = "closed" if self._sight.state == "closed" else "open"
        self._token: str | None = None
        self._tells = True
        self._opened = False

    def guard(self) -> pybreaker.CircuitBreaker:
        """The pybreaker circuit of this call."""
        return pybreaker.CircuitBreaker(
            fail_max=self._policy.failures,
            reset_timeout=self._policy.reset_s,
            exclude=[self.is_no_failure],
            state_storage=self,
            name=self.name,
            throw_new_error_on_trip=False,
        )

    def is_no_failure(self, error: BaseException) -> bool:
        """Whether an error is no failure of the other side. If it does not even show that the other
        side is there (a cancelled job, a bug of ours), this call tells nothing."""
        # It is well enough to refuse, or to answer what can't be used.
        if isinstance(error, ProviderRejected | ProviderMisconfigured | UnusableAnswer):
            return True
        ours = isinstance(error, PermanentError | CircuitOpen)
        self._tells = not ours and isinstance(error, self._policy.counts)
        return not self._tells

    def end(self) -> None:
        """Give back a probe that told nothing."""
        if self._token is not None:
            self._end_probe(good=None)

    @property
    def wait_s(self) -> float:
        """Seconds until the next probe; a short while where one is under way."""
        return self._circuit.look(self._user_id).wait_s or PROBE_RETRY_S

    # --- what pybreaker asks, and tells

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
        wait_s = self._sight.wait_s
        if not wait_s:
            return None
        return datetime.now(UTC) + timedelta(seconds=wait_s - self._policy.reset_s)

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        """By the clock of whoever keeps the circuit."""

    def increment_counter(self) -> None:
        if self._token is None:
            self._opened = self._circuit.failed(self._user_id)

    @property
    def counter(self) -> int:
        # Counted and opened in one step, where the circuit is kept.
        return self._policy.failures if self._opened else 0

    def reset_counter(self) -> None:
        # pybreaker's word for a success: it would have the failures forgotten.
        if self._token is None and self._tells:
            self._circuit.succeeded()

    @property
    def success_counter(self) -> int:
        return int(self._tells)

    def _begin_probe(self) -> None:
        token = uuid4().hex
        if self._circuit.begin_probe(token, self._user_id):
            self._token = token
        elif self._circuit.look(self._user_id).state != "closed":
            raise pybreaker.CircuitBreakerError("another call makes the probe")
        # Else another call's probe has just closed it: this is an ordinary call.

    def _end_probe(self, *, good: bool | None) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._circuit.end_probe(token, good=good, user_id=self._user_id)
