"""The broker's marker: a random value in Redis by which its emptying is noticed."""

from typing import Final
from uuid import uuid4

from config.redis import broker_client
from config.settings import get_settings

KEY: Final = "trimind:marker"


def seen_marker() -> str | None:
    """The broker's run id and its marker, set anew where it is missing; None: it has no marker.

    Only Redis has one; elsewhere the queue leases notice a loss. A restarted Redis has another run
    id, and may have lost the last second of its log. Raises redis.RedisError where it is away.
    """
    if not get_settings().broker.startswith("redis"):
        return None
    client = broker_client()
    # First set, then read: with the other order a second flush between the two would stay hidden.
    client.set(KEY, uuid4().hex, nx=True)
    run_id = client.info("server").get("run_id")  # some managed ones say little of themselves
    return f"{run_id}:{client.get(KEY)!s}"
