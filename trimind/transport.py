"""What both clients give to httpx."""

import os
from typing import Any, Final, TypedDict

import httpx

from trimind.call import Call
from trimind.errors import TrimindClientError, Unreachable

IDLE_CONNECTIONS: Final = 100
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Options(TypedDict):
    """The options of httpx's clients that are used here."""

    base_url: str
    headers: dict[str, str]
    timeout: float
    trust_env: bool
    follow_redirects: bool
    limits: httpx.Limits


def options(url: str, key: str, timeout_s: float) -> Options:
    """The options of a client.

    Raises:
        TrimindClientError: the address or the key is malformed.
    """
    if not key.isascii() or not key.isprintable():
        raise TrimindClientError("The key is malformed: it has characters that no key has.")
    return {
        "base_url": url,
        # Compressed answers are not asked for: of one, only the compressed size could be limited.
        "headers": {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"},
        "timeout": timeout_s,
        "trust_env": not _is_loopback(url),
        # A redirect would carry the key to an address that nobody has named.
        "follow_redirects": False,
        # Each stream and each wait has a connection of its own, as many as there are.
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS),
    }


def request_of(call: Call[Any], timeout_s: float) -> dict[str, Any]:
    """A call as the arguments of httpx's `stream`."""
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.query),
        "json": call.body,
        "headers": dict(call.headers),
        "timeout": call.timeout_s or timeout_s + call.wait_s,
    }


def unusable(url: str) -> Unreachable:
    """The error for an address with which httpx makes no client. The original message may contain
    a part of a proxy's password."""
    try:
        httpx.URL(url)
    except httpx.InvalidURL:
        return Unreachable("The address is not a valid URL: use https://host")
    proxies = sorted(n for n, v in os.environ.items() if n.lower().endswith("_proxy") and v)
    names = ", ".join(proxies)
    return Unreachable(f"{names} is invalid: use http://host:port, and host names in NO_PROXY")


def _is_loopback(url: str) -> bool:
    """Loopback is never reached through a proxy."""
    try:
        return httpx.URL(url).host in LOOPBACK
    except (httpx.InvalidURL, UnicodeError):
        return False
