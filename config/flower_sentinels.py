"""Flower's queue lengths from a Redis behind sentinels: by itself it would ask one of them."""

from typing import Any, cast

from flower.utils.broker import RedisSentinel
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from config.redis_servers import sentinel_options
from config.settings import get_settings


def _get_redis_client(flower: Any, _options: Any, _tls: Any) -> Any:
    timeouts = {
        "socket_connect_timeout": flower.socket_connect_timeout,
        "socket_timeout": flower.socket_timeout,
    }
    options = sentinel_options(get_settings().broker, retry=Retry(NoBackoff(), 0), **timeouts)
    sentinels = cast(Any, Sentinel)(options.sentinels, sentinel_kwargs=options.of_sentinels)
    return sentinels.master_for(options.name, ssl=options.secure, **options.of_primary)


def use_all_sentinels() -> None:
    """Have Flower ask the sentinels one after the other, as every other process does."""
    RedisSentinel._get_redis_client = _get_redis_client
