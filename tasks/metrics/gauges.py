"""What this process has now: connections in use, open streams, running stages."""

from collections.abc import Callable
from typing import Any, Final, cast

from sqlalchemy.pool import QueuePool

from config.redis import redis_client
from config.settings import get_settings
from models.session import get_engine
from tasks.metrics.counts import Series

Read = Callable[[], float]


class Gauge:
    """A gauge: its name without the prefix `trimind_`, its meaning, and its labels besides
    `process`. Each process reads its own; `/metrics` shows the sum of each kind of process."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name, self.text, self.labels = name, text, labels

    def follow(self, read: Read, *values: str) -> None:
        """Read the gauge of this process by this function from now on."""
        _followed[self.name, *values] = read


POOL_IN_USE: Final = Gauge("pool_in_use", "Connections of the processes' pools in use.", "pool")
POOL_MAX: Final = Gauge("pool_max", "Connections that the processes' pools may have.", "pool")
OPEN: Final = Gauge("open_requests", "Streams and waits that are open.", "kind")
OPEN_MAX: Final = Gauge("open_requests_max", "Streams and waits that may be open (`WEB_STREAMS`).")
RUNS: Final = Gauge("running_stages", "Stages that run.")
RUNS_MAX: Final = Gauge("running_stages_max", "Stages that may run at once.")
GAUGES: Final = (POOL_IN_USE, POOL_MAX, OPEN, OPEN_MAX, RUNS, RUNS_MAX)

_followed: dict[Series, Read] = {}


def read_gauges() -> dict[Series, float]:
    """The gauges of this process."""
    return {series: read() for series, read in list(_followed.items())}


def follow_pools() -> None:
    """Follow the pools that every process has."""
    POOL_IN_USE.follow(lambda: _database_pool().checkedout(), "postgresql")
    POOL_MAX.follow(lambda: get_settings().database_pool, "postgresql")
    POOL_IN_USE.follow(lambda: _in_use(redis_client().connection_pool), "redis")
    POOL_MAX.follow(lambda: redis_client().connection_pool.max_connections, "redis")


def _database_pool() -> QueuePool:
    return cast(QueuePool, get_engine().pool)


def _in_use(pool: Any) -> int:
    """redis-py counts the free connections first, and then those in use."""
    return int(pool.get_connection_count()[1][0])
