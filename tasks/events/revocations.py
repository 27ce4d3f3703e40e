"""Notifies the web processes that a user's access has changed: a key was revoked, a browser signed
out, the user deleted. Best effort: they trust what they know for a few seconds only.

The message is no order. It says whose access to look up again, so that nothing but the database
says who has access.
"""

from typing import Final

import redis

from config.outages import outages
from config.redis import redis_client
from tasks.events.envelope import channel_of

# The channel of no job, to which every hub is subscribed.
NO_JOB: Final = ""
REVOKED: Final = "revoked"


def announce_revocation(user_id: str) -> None:
    """Make every web process look up again what this user may do."""
    try:
        redis_client().publish(channel_of(NO_JOB), f"{REVOKED} {user_id}")
    except redis.RedisError as error:
        outages.note("redis", error)


def user_of(message: object) -> str | None:
    """The user whose access to look up again; None for everybody's, as older processes ask for."""
    return str(message).partition(" ")[2] or None
