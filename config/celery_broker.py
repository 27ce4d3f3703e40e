"""The broker's URL as Celery and Flower read it."""

from typing import Any, cast
from urllib.parse import urlsplit

from redis.connection import parse_url

from config.sentinel_url import is_sentinel_url, read_sentinel_url


def celery_url(broker: str) -> str:
    """One that kombu can parse. Of several sentinels it has the first, for logs to name; the
    transport and Flower connect by the whole URL."""
    if not is_sentinel_url(broker):
        return broker
    first = read_sentinel_url(broker).servers[0]
    return f"sentinel://{first.partition('://')[2].partition('?')[0]}"


def tls_options(broker: str) -> dict[str, Any] | None:
    """How to verify the certificate of a broker with TLS; None for one without."""
    if broker.startswith("amqps"):
        # py-amqp asks for a certificate of a known authority, but for this host only if told so.
        return {"server_hostname": urlsplit(broker).hostname}
    if not broker.startswith("rediss"):
        return None
    url = read_sentinel_url(broker).servers[0] if is_sentinel_url(broker) else broker
    found: dict[str, Any] = cast(Any, parse_url)(url)  # untyped
    return {name: value for name, value in found.items() if name.startswith("ssl_")}
