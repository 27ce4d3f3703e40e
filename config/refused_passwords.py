"""Redis and the broker refuse a process's password: no later attempt would mend that.

A server that is away is another matter: jobs wait until it is back.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

import kombu
import redis

from config.redis_servers import open_client
from config.settings import Settings

TIMEOUT_S: Final = 2
ACCESS_REFUSED: Final = 403  # AMQP's
_REFUSALS: Final = ("WRONGPASS", "NOAUTH", "invalid password", "invalid username-password")


def refused_passwords(settings: Settings) -> Iterator[str]:
    """A line for each variable whose user or password is refused."""
    urls = {"REDIS_URL": settings.redis_url.get_secret_value(), "BROKER_URL": settings.broker}
    for name, url in urls.items():
        if name == "BROKER_URL" and settings.broker_url is None:
            continue
        if _redis_refuses(url) if url.startswith("redis") else _amqp_refuses(url):
            yield f"{name}: the server refuses the user or password; fix {name}"


def _redis_refuses(url: str) -> bool:
    timeouts = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    try:
        with open_client(url, retry=None, **timeouts) as client:
            client.ping()
    except redis.AuthenticationError:
        return True
    except redis.RedisError as error:
        return any(words in str(error) for words in _REFUSALS)
    return False


def _amqp_refuses(url: str) -> bool:
    connection = cast(Any, kombu).Connection(url, connect_timeout=TIMEOUT_S)  # kombu has no types
    try:
        connection.connect()
    except (*connection.connection_errors, *connection.channel_errors) as error:
        return getattr(error, "code", None) == ACCESS_REFUSED
    finally:
        connection.release()
    return False
