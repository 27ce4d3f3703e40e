"""Which workers are alive: each leaves its name and the time in Redis, for the board."""

import time
from dataclasses import dataclass
from typing import Final, cast

import redis

from config.outages import outages
from config.redis import redis_client

KEY: Final = "trimind:workers"
GONE_AFTER_S: Final = 15.0
FORGOTTEN_AFTER_S: Final = 3600.0
WATCHER: Final = "presence"


@dataclass(frozen=True)
class Presence:
    """A worker, and how many seconds ago it was seen."""

    name: str
    seen_s: float


def announce_presence(name: str) -> None:
    """Say that this worker is alive. Best effort."""
    now = time.time()
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            pipeline.zadd(KEY, {name: now})
            pipeline.zremrangebyscore(KEY, "-inf", now - FORGOTTEN_AFTER_S)
            pipeline.execute()
    except redis.RedisError as error:
        outages.note("redis", error, watcher=WATCHER)
        return
    outages.clear("redis", WATCHER)


def present_workers() -> list[Presence]:
    """The workers that were seen within `GONE_AFTER_S`, by name. Raises redis.RedisError."""
    now = time.time()
    found = redis_client().zrange(KEY, now - GONE_AFTER_S, "+inf", byscore=True, withscores=True)
    pairs = cast(list[tuple[str, float]], found)
    seen = [Presence(name, max(0.0, now - at)) for name, at in pairs]
    return sorted(seen, key=lambda presence: presence.name)
