"""A request as it is sent, and its part that is made once."""

import re
from dataclasses import dataclass
from typing import Final

import httpx

from tasks.llm.connection import Origin

# RFC 9110, 5.1 and 5.5; the value without what would end its line.
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(rb"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")


@dataclass(frozen=True)
class Head:
    """The head of a POST, without the length of its body.

    Attributes:
        origin: where it is sent.
        data: its bytes.
    """

    url: httpx.URL
    headers: httpx.Headers
    origin: Origin
    data: bytes

    @classmethod
    def of(cls, url: httpx.URL, headers: httpx.Headers) -> "Head":
        """Write a head. Raises httpx.UnsupportedProtocol, httpx.LocalProtocolError."""
        origin = Origin.of(url)
        lines = [b"POST %b HTTP/1.1" % url.raw_path, b"Host: %b" % url.netloc]
        for name, value in headers.raw:
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                # Without the value, which may be a key.
                raise httpx.LocalProtocolError(f"The header {name!r} can't be sent.")
            lines.append(b"%b: %b" % (name, value))
        return cls(url, headers, origin, b"\r\n".join(lines))


@dataclass(frozen=True)
class Outgoing:
    """A POST, which may take `limit_s`."""

    head: Head
    body: bytes
    limit_s: float

    def bytes(self) -> bytes:
        """Return all of it."""
        return b"%b\r\nContent-Length: %d\r\n\r\n%b" % (self.head.data, len(self.body), self.body)

    def for_httpx(self) -> httpx.Request:
        """Return it as httpx takes it."""
        return httpx.Request(
            "POST",
            self.head.url,
            headers=self.head.headers,
            content=self.body,
            extensions={"timeout": httpx.Timeout(self.limit_s).as_dict()},
        )
