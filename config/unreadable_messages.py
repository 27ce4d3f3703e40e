"""Entries of the broker's queues that are no messages: found, and set aside for an operator."""

from base64 import b64decode
from typing import Any, Final

import structlog

# A list of unreadable entries, newest first, for an operator to inspect.
UNREADABLE_KEY: Final = "trimind:unreadable"
UNREADABLE_KEPT: Final = 100
UNREADABLE_BYTES: Final = 4096

log = structlog.get_logger(__name__)


def check_message(message: Any) -> None:
    """Raises ValueError, TypeError or KeyError for a decoded entry that is not a kombu message."""
    properties = message["properties"]
    if not isinstance(message["headers"], dict) or not isinstance(
        properties["delivery_info"], dict
    ):
        raise TypeError("no headers, or no delivery_info")
    if not isinstance(properties["delivery_tag"], str):
        raise TypeError("no delivery_tag")
    if not isinstance(properties.get("priority", 0), int):
        raise TypeError("a priority that is no number")
    if properties.get("body_encoding") == "base64":
        b64decode(message["body"], validate=True)


def set_aside(client: Any, entry: Any, error: Exception) -> None:
    """Store the beginning of an unreadable entry for inspection, and log it."""
    log.error("unreadable queue entry set aside", key=UNREADABLE_KEY, error=repr(error))
    client.lpush(UNREADABLE_KEY, (entry or b"")[:UNREADABLE_BYTES])
    client.ltrim(UNREADABLE_KEY, 0, UNREADABLE_KEPT - 1)
