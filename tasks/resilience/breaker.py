"""Circuit breakers: one for each thing that can be away, named after it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pybreaker
import structlog

from models.errors import CircuitOpen, PermanentError
from tasks.policies import BreakerPolicy

log = structlog.get_logger(__name__)

_breakers: dict[str, pybreaker.CircuitBreaker] = {}
_lock = threading.Lock()


class _Logged(pybreaker.CircuitBreakerListener):
    def state_change(
        self, cb: pybreaker.CircuitBreaker, old_state: object, new_state: object
    ) -> None:
        log.warning("breaker changed", breaker=cb.name, state=getattr(new_state, "name", None))


def breaker(name: str, policy: BreakerPolicy) -> pybreaker.CircuitBreaker:
    """The breaker of this name, made at first use; a refused request (4xx) does not count."""
    with _lock:
        if name not in _breakers:
            _breakers[name] = pybreaker.CircuitBreaker(
                fail_max=policy.failures,
                reset_timeout=policy.reset_s,
                exclude=[PermanentError],
                listeners=[_Logged()],
                name=name,
                throw_new_error_on_trip=False,
            )
        return _breakers[name]


@contextmanager
def guarded(name: str, policy: BreakerPolicy) -> Iterator[None]:
    """Run a call under a breaker, without a lock for its length.

    Raises CircuitOpen, with the seconds until the next probe, where the call must not be made.
    """
    circuit = breaker(name, policy)
    try:
        with circuit.calling():
            yield
    except pybreaker.CircuitBreakerError as error:
        raise CircuitOpen(
            f"{name} is failing; it is left alone for a while.", _rest(circuit)
        ) from (error)


def reset_all() -> None:
    """Close every breaker of this process."""
    with _lock:
        for circuit in _breakers.values():
            circuit.close()


def _rest(circuit: pybreaker.CircuitBreaker) -> float:
    opened = circuit._state_storage.opened_at
    if opened is None:
        return float(circuit.reset_timeout)
    gone = (datetime.now(UTC) - opened).total_seconds()
    return float(max(0.1, circuit.reset_timeout - gone))
