"""The broker's transport for a Redis behind sentinels."""

from typing import Any

from redis import ConnectionPool
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from config.broker_transport import Channel, Transport
from config.redis_servers import open_sentinel_pool
from config.sentinel_url import DEFAULT_PORT
from config.settings import get_settings


class SentinelChannel(Channel):
    """A channel to the primary that the sentinels of this process's broker name."""

    # kombu's types are those of its own channels.
    connection_class: Any = SentinelManagedConnection
    connection_class_ssl: Any = SentinelManagedSSLConnection

    def _open_pool(self, kind: type[ConnectionPool], options: dict[str, Any]) -> ConnectionPool:
        del options["host"], options["port"]  # a sentinel's
        return open_sentinel_pool(get_settings().broker, **options)


class SentinelTransport(Transport):
    """The same with a Redis behind sentinels."""

    Channel = SentinelChannel
    default_port: Any = DEFAULT_PORT
