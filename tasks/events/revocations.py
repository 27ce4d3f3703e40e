"""Notifies the web processes that a key was revoked. Best effort: they trust what they know of keys
for a few seconds only."""

from typing import Final

import redis

from config.outages import outages
from config.redis import redis_client
from tasks.events.envelope import channel_of

# The channel of no job, to which every hub is subscribed.
NO_JOB: Final = ""


def announce_revocation() -> None:
    """Make every web process look its keys up again."""
    try:
        redis_client().publish(channel_of(NO_JOB), "revoked")
    except redis.RedisError as error:
        outages.note("redis", error)
