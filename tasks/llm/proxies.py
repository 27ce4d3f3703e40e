"""Select the proxy of a request by the variables that curl and most HTTP libraries read.

httpx reads them too, but raises on a form that it does not know, and uses them for calls to the
embedded model.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.request import getproxies

import structlog

from config.proxy_url import MALFORMED, usable

SCHEMES: Final = ("http", "https", "all")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Proxies:
    """The proxy of each scheme, and the hosts that need none: `names` and their subdomains,
    `networks`, and always loopback."""

    by_scheme: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] | None = None) -> "Proxies":
        """Read the variables. An invalid one is ignored and logged by name only, since its value
        may hold a password."""
        found = getproxies() if environ is None else _lower(environ)
        names, networks = _exceptions(found.get("no", ""))
        proxies = {scheme: found[scheme] for scheme in SCHEMES if found.get(scheme)}
        urls = {scheme: _checked(scheme, url) for scheme, url in proxies.items()}
        return cls({s: url for s, url in urls.items() if url}, tuple(names), tuple(networks))

    @property
    def urls(self) -> set[str]:
        """All proxies."""
        return set(self.by_scheme.values())

    def of(self, scheme: str, host: str) -> str | None:
        """Return the proxy for a host, or None to connect directly."""
        proxy = self.by_scheme.get(scheme) or self.by_scheme.get("all")
        return None if proxy is None or self._is_excepted(host.lower()) else proxy

    def _is_excepted(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
        except ValueError:
            names = ("localhost", *self.names)
            return "*" in names or any(host == n or host.endswith(f".{n}") for n in names)
        return address.is_loopback or "*" in self.names or any(address in n for n in self.networks)


def _lower(environ: Mapping[str, str]) -> dict[str, str]:
    found = {name.lower(): value for name, value in environ.items() if value}
    return {name.removesuffix("_proxy"): v for name, v in found.items() if name.endswith("_proxy")}


def _exceptions(said: str) -> tuple[list[str], list[Network]]:
    names: list[str] = []
    networks: list[Network] = []
    for entry in filter(None, (entry.strip().lower() for entry in said.split(","))):
        host = _host_of(entry)
        try:
            networks.append(ipaddress.ip_network(host, strict=False))
        except ValueError:
            if "/" in host or ":" in host:
                log.warning("NO_PROXY: ignored an entry that is neither a name nor an address")
            else:
                names.append(host.removeprefix("*.").strip("."))
    return names, networks


def _host_of(entry: str) -> str:
    """Return an entry's host, without scheme, brackets and port."""
    host = entry.split("://", 1)[-1]
    if host.startswith("["):
        inner, _, rest = host[1:].partition("]")
        return inner + (rest if rest.startswith("/") else "")
    name, _, port = host.partition(":")
    return name if port.isdigit() and ":" not in port else host


def _checked(scheme: str, url: str) -> str | None:
    found = usable(url)
    if found is None:
        log.warning(f"{scheme.upper()}_PROXY ignored: it {MALFORMED}")
    return found
