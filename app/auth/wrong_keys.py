"""Wrong keys are slowed down by the client's address. A right one is always taken, whatever others
have sent from the same address, such as that of a proxy."""

import ipaddress
from typing import Final

from flask import request
from limits import RateLimitItemPerMinute
from limits.strategies import SlidingWindowCounterRateLimiter

from app.http.errors import TooManyWrongKeys
from app.limits.windows import WindowStorage, seconds_until
from config.once import once
from config.settings import get_settings
from models.errors import Unauthorized

# Of an IPv6 address, what its provider assigns to one customer.
CUSTOMER_BITS: Final = 64


@once
def _windows() -> SlidingWindowCounterRateLimiter:
    """Apart from the users' windows: anybody may send wrong keys from many addresses, which while
    Redis is unavailable have a memory of their own."""
    return SlidingWindowCounterRateLimiter(WindowStorage())


def wrong_key(detail: str) -> Unauthorized | TooManyWrongKeys:
    """Count the wrong credential of this request towards the client's address, and return its
    refusal: another one if the address has sent too many within a minute."""
    limit = RateLimitItemPerMinute(get_settings().wrong_keys_per_minute)
    sender = f"wrong keys of {network_of(request.remote_addr)}"
    windows = _windows()
    if windows.hit(limit, sender):
        return Unauthorized(detail)
    retry_after = seconds_until(windows.get_window_stats(limit, sender).reset_time)
    return TooManyWrongKeys(f"{detail} Too many came from this address.", retry_after)


def network_of(address: str | None) -> str:
    """The address, or the network of an IPv6 address; empty for a client at a Unix socket."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, CUSTOMER_BITS), strict=False))
