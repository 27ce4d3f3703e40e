"""Connections to a Redis by its URL: to one server, or to the primary that sentinels name."""

from dataclasses import dataclass
from typing import Any, Final, cast

from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from config.sentinel_url import SENTINEL_PASSWORD, is_sentinel_url, read_sentinel_url

# A sentinel that does not answer in time is passed over, even where the server has longer.
SENTINEL_TIMEOUT_S: Final = 2.0
_ADDRESS: Final = ("host", "port", "connection_class")
_OF_SENTINELS_TOO: Final = ("socket_connect_timeout", "socket_keepalive", "client_name")


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the primary. One that was lost asks the sentinels where the primary is now."""

    def owns_connection(self, connection: Any) -> bool:
        """Whether it is of this process. redis-py disowns one to a former primary, or to none, but
        keeps it in a list, which would grow throughout an outage; closed, it can be used again."""
        if self.master_address != (connection.host, connection.port):
            connection.disconnect()
        return bool(BlockingConnectionPool.owns_connection(self, connection))


def open_pool(
    url: str, kind: type[ConnectionPool] = ConnectionPool, **options: Any
) -> ConnectionPool:
    """A pool of connections; those to sentinels' primary block, whatever kind is asked for."""
    if is_sentinel_url(url):
        return open_sentinel_pool(url, **options)
    return cast(Any, kind).from_url(url, **options)  # type: ignore[no-any-return]


def open_client(url: str, **options: Any) -> Redis:
    """A client that owns its connections: close it, or use it as a context manager."""
    return Redis.from_pool(open_pool(url, **options))


def open_sentinel_pool(url: str, **options: Any) -> SentinelPool:
    """A pool of connections to the primary, for `redis+sentinel://` and `rediss+sentinel://`.

    Args:
        url: of the settings.
        options: of its connections; a `connection_class` is one that sentinels manage.
    """
    kind = options.pop("connection_class", None)
    found = sentinel_options(url, **{**options, "retry": Retry(NoBackoff(), 0)})
    default = SentinelManagedSSLConnection if found.secure else SentinelManagedConnection
    sentinels = cast(Any, Sentinel)(found.sentinels, sentinel_kwargs=found.of_sentinels)
    of_primary = found.of_primary | {"connection_class": kind or default}
    return cast(Any, SentinelPool)(found.name, sentinels, **of_primary)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class SentinelOptions:
    """Where the sentinels are, what they call the primary, and how to connect to both."""

    sentinels: list[tuple[str, int]]
    name: str
    secure: bool
    of_sentinels: dict[str, Any]
    of_primary: dict[str, Any]


def sentinel_options(url: str, *, retry: Any, **options: Any) -> SentinelOptions:
    """What redis-py's `Sentinel` needs, in either of its kinds, each with its own `retry`."""
    where = read_sentinel_url(url)
    each: list[dict[str, Any]] = [cast(Any, parse_url)(server) for server in where.servers]
    secure = each[0].get("connection_class") is SSLConnection
    of_url = {name: value for name, value in each[0].items() if name not in _ADDRESS}
    password = of_url.pop(SENTINEL_PASSWORD, None)
    of_primary: dict[str, Any] = {"retry": retry, **options, **of_url}
    of_sentinels: dict[str, Any] = {
        **{name: options[name] for name in _OF_SENTINELS_TOO if name in options},
        **{name: value for name, value in of_url.items() if name.startswith("ssl_") and secure},
        "ssl": secure,
        "socket_timeout": options.get("socket_timeout") or SENTINEL_TIMEOUT_S,
        "password": password,
        "retry": retry,
    }
    sentinels = [(server["host"], server["port"]) for server in each]
    return SentinelOptions(sentinels, where.name, secure, of_sentinels, of_primary)
