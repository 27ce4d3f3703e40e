"""Wait for jobs to end, without polling the database."""

import asyncio
from collections.abc import Collection

from app.streaming.hub import get_hub
from models.jobs import unfinished
from models.session import statements


async def wait_for_end(user_id: str, job_ids: Collection[str], seconds: float) -> bool:
    """Wait until all these jobs of a user have ended, for `seconds` at most. False if this process
    shuts down meanwhile, or the caller's access ends. Raises DatabaseUnavailable."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with get_hub().subscribe(job_ids, only_ends=True) as subscription:
        rest = await asyncio.to_thread(_unfinished, user_id, job_ids)
        while rest and not subscription.ended and (left := until - loop.time()) > 0:
            received = await subscription.get(left)
            if received is None:
                continue
            job_id, envelope = received
            if envelope is None:
                rest = await asyncio.to_thread(_unfinished, user_id, rest)
            else:
                rest.discard(job_id)  # its end was committed before it was published
        return not subscription.ended


def _unfinished(user_id: str, job_ids: Collection[str]) -> set[str]:
    with statements() as connection:
        return unfinished(connection, user_id, job_ids)
