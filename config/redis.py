"""How Redis is reached: in bounded time, and once. Whoever asks has something to do without it."""

from functools import lru_cache

import redis

from config.process import process_name
from config.settings import get_settings


def redis_client(timeout_s: float) -> redis.Redis:
    """The process's client of `REDIS_URL`, whose calls take no longer than this, tried once each;
    redis-py by default tries eleven times."""
    return bounded_client(get_settings().redis_url.get_secret_value(), timeout_s)


@lru_cache(maxsize=16)
def bounded_client(url: str, timeout_s: float) -> redis.Redis:
    """The same, of any Redis; safe across threads."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        client_name=process_name(),
        retry=None,
        decode_responses=True,
        encoding_errors="replace",  # what is no text of ours breaks where it is read, not before
    )


def listening_client() -> redis.Redis:
    """A client of `REDIS_URL` for who waits to be told something, for as long as it takes."""
    return redis.Redis.from_url(
        get_settings().redis_url.get_secret_value(),
        socket_timeout=None,  # redis-py's default breaks a read that blocks for longer
        socket_connect_timeout=2,
        client_name=process_name(),
        socket_keepalive=True,
        health_check_interval=10,
        decode_responses=True,
        encoding_errors="replace",
    )
