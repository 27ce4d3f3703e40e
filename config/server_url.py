"""A server's URL, as Redis's and RabbitMQ's clients read it: refused where they would read another
password, or another host, than whoever wrote it meant."""

import re
from typing import Final
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

ENCODE: Final = (
    "can't be read: a password with one of @ : / ? # % [ ] must be percent-encoded "
    "(@ is %40, / is %2F, % is %25)"
)


def check_server_url(url: str) -> None:
    """Raises ValueError, which never repeats a value."""
    authority, *after = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)
    user, _, _ = authority.rpartition("@")
    # Nothing after the host has an @: one there is behind a password that / ? or # cut short.
    if "@" in "".join(after) or "#" in url or re.search(r"[\[\]]|%(?![0-9A-Fa-f]{2})", user):
        raise ValueError(ENCODE)
    if re.search(r"[\s\x00-\x1f]", url):
        raise ValueError("has white space in it")
    try:
        unquote_to_bytes(user).decode()
    except UnicodeDecodeError:
        raise ValueError(ENCODE) from None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (reading it is the check)
    except ValueError:
        raise ValueError("has a port that is no number from 0 to 65535") from None
    for name in ("password", "username"):
        if name in parse_qs(parts.query):
            raise ValueError(f"has its {name} in the query: write it before the host")
