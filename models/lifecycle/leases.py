"""How long a lease is believed, as the settings say; read at use, so that no import needs them."""

from datetime import timedelta

from config.settings import get_settings


def lease() -> timedelta:
    """For how long a running stage is owned without a heartbeat."""
    return timedelta(seconds=get_settings().lease_s)


def queue_lease_s() -> int:
    """For how many seconds a message is believed to be in the broker, the first time."""
    return get_settings().queue_lease_s


def queue_lease() -> timedelta:
    """The same, as a length of time."""
    return timedelta(seconds=queue_lease_s())
