"""Which addresses a webhook may have: those of the public internet alone, unless the settings allow
private ones."""

import ipaddress
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA's registries of special addresses, since Python's own tables differ by version; and the
# address at which Azure serves metadata, which looks public.
_NOT_PUBLIC: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32",
            "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "2001::/23", "2001:db8::/32", "3fff::/20",
        ),
    )
)  # fmt: skip
# Everything else in IPv6 is local, reserved, or another form of an IPv4 address.
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal")


class PrivateAddress(Exception):
    """A webhook's host is, or resolves to, an address that is not public."""


class Unresolvable(Exception):
    """A webhook's host has no address."""


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a host, each of which is public; a connection must be made to one of them,
    and not to the name, which may resolve differently the next time.

    It takes as long as the machine's resolver does.

    Raises:
        PrivateAddress: one of them is not public.
        Unresolvable: there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolvable(str(error)) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private and not all(is_public(_parse(each)) for each in addresses):
        raise PrivateAddress("an address is not public")
    return addresses


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet: not private, shared, loopback, link-local,
    multicast, reserved or a cloud's metadata; nor an IPv6 form of such an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded(address)
        if embedded is not None:
            return is_public(embedded)
        if address not in _UNICAST:
            return False
    return not any(address in network for network in _NOT_PUBLIC)


def why_refused(url: str, *, allow_private: bool) -> str | None:
    """Why a URL can't be a webhook's, as far as it can be seen without resolving it; None if it
    can."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "must consist of visible ASCII characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "must be a URL"
    if parts.scheme not in ("https", "http") or not host:
        return "must be a URL that begins with https://"
    return _why_refused(parts, host, port, allow_private=allow_private)


def _why_refused(
    parts: SplitResult, host: str, port: int | None, *, allow_private: bool
) -> str | None:
    if "@" in parts.netloc:
        return "must not contain credentials"
    if port == 0 or parts.netloc.endswith(":"):
        return "must have a port from 1 to 65535, or none"
    if parts.fragment:
        return "must not have a fragment"
    if allow_private:
        return None
    if parts.scheme != "https":
        return "must begin with https://"
    literal = _literal(host)
    local = host.rstrip(".").endswith(_LOCAL_NAMES) if literal is None else not is_public(literal)
    return "must have a public address" if local else None


def _literal(host: str) -> Address | None:
    """The address that a host is, in any form that a resolver takes for one; None for a name."""
    try:
        return _parse(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _parse(address: str) -> Address:
    return ipaddress.ip_address(address.partition("%")[0])


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
