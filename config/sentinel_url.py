"""URLs of a Redis behind sentinels: `redis+sentinel://user:password@host:26379,host:26379/name/0`.

`rediss+sentinel://` means TLS, to the sentinels too. The user and password are the servers'.
"""

import re
from dataclasses import dataclass
from typing import Final

SENTINEL: Final = re.compile(r"^(rediss?)\+sentinel://")
DEFAULT_PORT: Final = 26379
# Of the URL that the settings make: the sentinels' own, if they have one.
SENTINEL_PASSWORD: Final = "sentinel_password"  # noqa: S105 (its name)


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The sentinels' URLs, each as if it were the server's, and the name that they give it."""

    servers: tuple[str, ...]
    name: str


def is_sentinel_url(url: str) -> bool:
    """Whether it names sentinels instead of a server."""
    return SENTINEL.match(url) is not None


def read_sentinel_url(url: str) -> SentinelUrl:
    """Split it. Raises ValueError if it has no name of a primary, or no number of a database."""
    scheme, _, rest = url.partition("+sentinel://")
    authority, _, path = rest.partition("/")
    path, mark, query = path.partition("?")
    user, at, hosts = authority.rpartition("@")
    name, _, database = path.partition("/")
    if not re.fullmatch(r"[\w.-]+", name) or not re.fullmatch(r"\d*/?", database):
        raise ValueError(
            "names no primary: write redis+sentinel://:password@host:26379,host:26379/name/0"
        )
    rest = f"/{database.rstrip('/') or 0}{mark}{query}"
    each = tuple(f"{scheme}://{user}{at}{_with_port(host)}{rest}" for host in hosts.split(","))
    return SentinelUrl(each, name)


def _with_port(host: str) -> str:
    return host if re.search(r":[^:\]]*$", host) else f"{host}:{DEFAULT_PORT}"
