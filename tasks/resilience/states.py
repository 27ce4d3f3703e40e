"""The breakers of the whole fleet, for people and for metrics."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.resilience import store
from tasks.resilience.circuit import State
from tasks.resilience.store import BreakerRecord


@dataclass(frozen=True)
class BreakerState:
    """A breaker as Redis has it.

    `failures` are those within its window; `opens` counts the times it opened since Redis was
    empty. `opens_until`: from then on a probe may be made; None where it is closed. `held`: by user
    for whom alone it is open, since all those failures were his; when he may probe.
    """

    name: str
    state: State
    failures: int
    opens_until: datetime | None
    opens: int
    held: dict[str, datetime] = field(default_factory=dict)


def breaker_states() -> list[BreakerState]:
    """Every shared breaker that ever failed, by name. Raises redis.RedisError.

    The database's is not among them: each process has its own, so that it does not lean on Redis.
    """
    return [_state(kept) for kept in store.read()]


def _state(kept: BreakerRecord) -> BreakerState:
    return BreakerState(
        name=kept.name,
        state=_word(kept),
        failures=kept.failures,
        opens_until=None if kept.due_s is None else datetime.fromtimestamp(kept.due_s, UTC),
        opens=kept.opens,
        held={who: datetime.fromtimestamp(due_s, UTC) for who, due_s in kept.held.items()},
    )


def _word(kept: BreakerRecord) -> State:
    if kept.due_s is None:
        return "closed"
    return "half-open" if kept.lease_s is not None and kept.lease_s > kept.now_s else "open"
