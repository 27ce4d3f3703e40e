"""The lengths of leases, as the settings say; read on use, so that no import needs them."""

from datetime import timedelta

from config.settings import get_settings


def lease() -> timedelta:
    """How long a running stage is owned without a heartbeat."""
    return timedelta(seconds=get_settings().lease_s)


def queue_lease_s() -> int:
    """How many seconds a message is assumed to be in the broker, the first time."""
    return get_settings().queue_lease_s


def queue_lease() -> timedelta:
    """`queue_lease_s` as a timedelta."""
    return timedelta(seconds=queue_lease_s())
