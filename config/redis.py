"""Clients of Redis: bounded in time, without retries. Every caller can do without Redis."""

import time
from typing import Any, Final, cast

import redis
from redis.client import PubSub

from config.once import once
from config.process import process_name
from config.redis_servers import open_pool
from config.settings import get_settings

# Redis is called on the path of every request, and must not delay one.
TIMEOUT_S: Final = 0.5
ANSWERS_IN_S: Final = 5.0


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


class Listener(PubSub):
    """A subscriber that waits without a time limit, but not for a server that has gone silent.

    redis-py sends a ping after ten quiet seconds, and never looks whether it is answered. A server
    that hangs, or whose host is gone, would be listened to for a quarter of an hour.
    """

    _unanswered_since: float | None = None

    def check_health(self) -> None:
        """Send a ping if one is due. Raises TimeoutError if none was answered for `ANSWERS_IN_S`;
        the next read connects again."""
        super().check_health()
        now = time.monotonic()
        if self.health_check_response_counter == 0:
            self._unanswered_since = None
        elif self._unanswered_since is None:
            self._unanswered_since = now
        elif now - self._unanswered_since > ANSWERS_IN_S:
            self._unanswered_since, self.health_check_response_counter = None, 0
            cast(Any, self.connection).disconnect()
            raise redis.TimeoutError("no answer to a ping")


def listener(**options: Any) -> Listener:
    """A subscriber to channels of `REDIS_URL`; its options are those of redis-py's `PubSub`."""
    pool = open_pool(
        get_settings().redis_url.get_secret_value(),
        socket_timeout=5,  # of what a connection begins with: a read has a limit of its own
        socket_connect_timeout=2,
        client_name=process_name(),
        socket_keepalive=True,
        health_check_interval=10,
        decode_responses=True,
        encoding_errors="replace",
    )
    return cast(Any, Listener)(pool, **options)  # type: ignore[no-any-return]
