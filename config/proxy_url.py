"""The URL of a proxy, as a variable has it."""

from typing import Final
from urllib.parse import urlsplit

KINDS: Final = ("http", "https", "socks5", "socks5h")
MALFORMED: Final = (
    "must be http://, https:// or socks5:// with a host, and special characters in its password "
    "must be percent-encoded (@ as %40, / as %2F)"
)


def usable(url: str) -> str | None:
    """Return a proxy's complete URL. None if it is invalid or its password is not
    percent-encoded."""
    import httpx  # most processes that read the settings need it for nothing else

    url = url if "://" in url else f"http://{url}"
    url = url.replace("socks://", "socks5://", 1)
    try:
        parts = urlsplit(url)
        httpx.Proxy(url)
        good = parts.scheme.lower() in KINDS and bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return None
    cut_short = "@" in f"{parts.path}{parts.query}{parts.fragment}"
    return url if good and not cut_short else None
