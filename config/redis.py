"""Clients of Redis: bounded in time, without retries. Every caller can do without Redis."""

from typing import Final

import redis

from config.once import once
from config.process import process_name
from config.redis_servers import open_client, open_pool
from config.settings import get_settings

# Redis is called on the path of every request, and must not delay one.
TIMEOUT_S: Final = 0.5


def redis_client() -> redis.Redis:
    """The process's client of `REDIS_URL`, safe across threads. A call waits for half a second at
    most, or twice that where all connections are in use, and is tried once; redis-py by default
    tries eleven times."""
    return _client(get_settings().redis_url.get_secret_value())


def broker_client() -> redis.Redis:
    """The same for `BROKER_URL`, which has to be Redis; often it is the same Redis, and client."""
    return _client(get_settings().broker)


def _client(url: str) -> redis.Redis:
    return bounded_client(url, TIMEOUT_S, get_settings().redis_pool // 2)


@once
def bounded_client(url: str, timeout_s: float, connections: int = 2) -> redis.Redis:
    """Like `redis_client`, for any Redis, time-out and limit of connections."""
    pool = open_pool(
        url,
        redis.BlockingConnectionPool,
        max_connections=connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        client_name=process_name(),
        retry=None,
        decode_responses=True,
        encoding_errors="replace",  # data that is not ours fails where it is parsed, not here
    )
    return redis.Redis.from_pool(pool)


def listening_client() -> redis.Redis:
    """A client of `REDIS_URL` for a subscriber, which waits without a time limit."""
    return open_client(
        get_settings().redis_url.get_secret_value(),
        socket_timeout=None,  # redis-py's default would interrupt a blocking read
        socket_connect_timeout=2,
        client_name=process_name(),
        socket_keepalive=True,
        health_check_interval=10,
        decode_responses=True,
        encoding_errors="replace",
    )
