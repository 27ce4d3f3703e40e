"""Whose turn it is to reconcile or to sweep: of all workers of an installation, one does at a time.

A turn is a key in Redis that expires, so that another worker takes the next one if this worker
dies. If the key is lost, or Redis is unavailable, more workers look than needed, and nothing else.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

import redis
from sqlalchemy import make_url

from config.outages import outages
from config.redis import redis_client
from config.settings import get_settings

WATCHER: Final = "turn"
RECONCILING: Final = "reconciling"


def take_turn(length_s: float, what: str = RECONCILING) -> bool:
    """Whether this worker does it now; if so, no other does for `length_s`."""
    try:
        taken = redis_client().set(
            key_of_installation(what), "taken", nx=True, px=max(1, int(length_s * 1000))
        )
    except redis.RedisError as error:
        outages.note("redis", error, watcher=WATCHER)
        return True
    outages.clear("redis", WATCHER)
    return bool(taken)


def return_turn() -> None:
    """Let the next worker look at once: this one could not do all there is to do."""
    try:
        redis_client().delete(key_of_installation(RECONCILING))
    except redis.RedisError as error:
        outages.note("redis", error, watcher=WATCHER)


def key_of_installation(what: str) -> str:
    """A key in Redis that no other installation uses."""
    return _key_of(get_settings().database_url.get_secret_value(), what)


@lru_cache(maxsize=8)
def _key_of(database_url: str, what: str) -> str:
    """Of the database, since installations may share a Redis; without the URL's password."""
    url = make_url(database_url)
    where = f"{url.host}:{url.port}/{url.database}?{sorted(url.query.items())}"
    return f"trimind:{what}:{sha256(where.encode()).hexdigest()[:16]}"
