"""The broker's marker: a random value in Redis that reveals when Redis was emptied."""

from typing import Final
from uuid import uuid4

from config.redis import broker_client
from config.settings import get_settings

KEY: Final = "trimind:marker"


def seen_marker() -> str | None:
    """Return the broker's run id and marker, setting a missing marker; None if it is not Redis.

    The loss of another broker's messages is noticed by the queue leases. A restarted Redis has
    another run id, and may have lost the last second of its log. Raises redis.RedisError.
    """
    if not get_settings().broker.startswith("redis"):
        return None
    asked = broker_client().pipeline(transaction=False)
    # Set, then read: in the other order, a flush between the two would go unnoticed.
    asked.set(KEY, uuid4().hex, nx=True)
    asked.info("server")
    asked.get(KEY)
    _, info, marker = asked.execute()
    return f"{info.get('run_id')}:{marker!s}"  # some managed ones hide the run id
