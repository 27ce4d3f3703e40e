"""A check of the addresses of the issuer of JWTs: whoever can change what they serve can sign in as
anybody."""

from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def check_issuer_url(url: str) -> str:
    """Return an absolute HTTPS URL, or an HTTP one of this machine.

    Raises:
        ValueError: it is another one; the message contains no value.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not host or parts.username is not None or parts.fragment or url != url.strip():
        raise ValueError("is not a URL of the form https://host/path")
    if parts.scheme != "https" and (parts.scheme != "http" or host not in LOOPBACK):
        raise ValueError("does not begin with https://")
    return url
