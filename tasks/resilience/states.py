"""The fleet's breakers, for people and metrics."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.resilience import store
from tasks.resilience.circuit import State
from tasks.resilience.store import BreakerRecord


@dataclass(frozen=True)
class BreakerState:
    """A breaker's state in Redis.

    Attributes:
        failures: the failures within its window.
        opens_until: when it may be probed; None if it is closed.
        opens: how often it has opened since Redis was empty.
        blocked_users: the users for whom alone it is open, and when each may probe.
    """

    name: str
    state: State
    failures: int
    opens_until: datetime | None
    opens: int
    blocked_users: dict[str, datetime] = field(default_factory=dict)


def breaker_states() -> list[BreakerState]:
    """List every shared breaker that has recorded a failure, by name. Raises redis.RedisError.

    The database's is not included: each process has its own, independent of Redis.
    """
    return [_state(kept) for kept in store.read()]


def _state(kept: BreakerRecord) -> BreakerState:
    return BreakerState(
        name=kept.name,
        state=_state_name(kept),
        failures=kept.failures,
        opens_until=None if kept.due_s is None else datetime.fromtimestamp(kept.due_s, UTC),
        opens=kept.opens,
        blocked_users={
            who: datetime.fromtimestamp(due_s, UTC) for who, due_s in kept.blocked_users.items()
        },
    )


def _state_name(kept: BreakerRecord) -> State:
    if kept.due_s is None:
        return "closed"
    return "half-open" if kept.lease_s is not None and kept.lease_s > kept.now_s else "open"
