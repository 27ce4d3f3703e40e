"""A check of Redis's and RabbitMQ's URLs: one that their clients would parse into another password
or host than intended is refused."""

import re
from typing import Final
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

from config.sentinel_url import is_sentinel_url, read_sentinel_url

ENCODE: Final = (
    "can't be read: a password with one of @ : / ? # % [ ] must be percent-encoded "
    "(@ is %40, / is %2F, % is %25)"
)


def check_server_url(url: str) -> None:
    """Raises ValueError for an ambiguous URL; its message contains no value."""
    authority, *after = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)
    user, _, _ = authority.rpartition("@")
    # An @ after the host means that a / ? or # cut a password short.
    if "@" in "".join(after) or "#" in url or re.search(r"[\[\]]|%(?![0-9A-Fa-f]{2})", user):
        raise ValueError(ENCODE)
    if re.search(r"[\s\x00-\x1f]", url):
        raise ValueError("contains white space")
    try:
        unquote_to_bytes(user).decode()
    except UnicodeDecodeError:
        raise ValueError(ENCODE) from None
    servers = read_sentinel_url(url).servers if is_sentinel_url(url) else (url,)
    try:
        for server in servers:
            parts = urlsplit(server)
            parts.port  # noqa: B018 (reading it is the check)
    except ValueError:
        raise ValueError("has a port that is not a number from 0 to 65535") from None
    for name in ("password", "username"):
        if name in parse_qs(parts.query):
            raise ValueError(f"has its {name} in the query: put it before the host")
