"""Circuit breakers: one for each thing that can be away, named after it."""

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
    """Run a call under a breaker, without a lock for its length.

    `user_id`: whose call it is. The failures of one user alone keep only his own calls back.
    Raises CircuitOpen, with the seconds until the next probe, where the call must not be made.
    """
    call = CallStorage(name, _circuit(name, policy), policy, user_id)
    try:
        with call.guard().calling():
            yield
    except pybreaker.CircuitBreakerError as error:
        raise CircuitOpen(
            f"{name} is failing; it is left alone for a while.", call.wait_s
        ) from error
    finally:
        call.end()


def reset_all() -> None:
    """Close every breaker that this process knows: for the fleet too, unless Redis is away."""
    for name in list(_circuits):
        try:
            reset(name)
        except redis.RedisError as error:
            log.info("breaker reset in this process only", breaker=name, error=str(error))


def reset(name: str | None = None) -> int:
    """Close a breaker, or all, for the fleet; how many Redis knew. Others see it within a second.

    Raises redis.RedisError where Redis is away; those of this process are closed even so. Breakers
    that are not shared stay as they are in other processes.
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
