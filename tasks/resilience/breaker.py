"""Circuit breakers, one for each service that can fail, named after it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pybreaker
import redis
import structlog

from models.errors import CircuitOpen
from tasks.policies import BreakerPolicy
from tasks.resilience import store
from tasks.resilience.call import CallStorage
from tasks.resilience.circuit import Circuit
from tasks.resilience.fleet import FleetCircuit
from tasks.resilience.local import LocalCircuit

log = structlog.get_logger(__name__)

_circuits: dict[str, Circuit] = {}
_lock = threading.Lock()


@contextmanager
def circuit_breaker(name: str, policy: BreakerPolicy, user_id: str = "") -> Iterator[None]:
    """Guard a call with a breaker. No lock is held during the call.

    Args:
        name: the breaker's name.
        policy: when it opens, and for how long.
        user_id: the user who makes the call. If one user makes all failing calls, the breaker opens
            for that user only.

    Raises:
        CircuitOpen: if the call must not be made, with the seconds until the next probe.
    """
    call = CallStorage(name, _circuit(name, policy), policy, user_id)
    try:
        with call.guard().calling():
            yield
    except pybreaker.CircuitBreakerError as error:
        raise CircuitOpen(f"{name} keeps failing, so it was not called.", call.wait_s) from error
    finally:
        call.end()


def reset_all() -> None:
    """Close every breaker of this process, and of the fleet unless Redis is unavailable."""
    for name in list(_circuits):
        try:
            reset(name)
        except redis.RedisError as error:
            log.info("breaker reset in this process only", breaker=name, error=str(error))


def reset(name: str | None = None) -> int:
    """Close one breaker or all for the fleet, and return how many Redis had.

    Other processes notice within a second; their breakers that are not shared stay as they are.

    Raises:
        redis.RedisError: if Redis is unavailable. The breakers of this process are closed anyway.
    """
    try:
        return store.clear(name)
    finally:
        for known, circuit in list(_circuits.items()):
            if name in (None, known):
                circuit.reset()


def _circuit(name: str, policy: BreakerPolicy) -> Circuit:
    known = _circuits.get(name)
    if known is not None:
        return known
    with _lock:
        made = FleetCircuit(name, policy) if policy.shared else LocalCircuit(name, policy)
        return _circuits.setdefault(name, made)
