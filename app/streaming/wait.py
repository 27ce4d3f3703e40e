"""Wait for the end of a job, for a while, without asking the database again and again."""

import asyncio
from collections.abc import Collection

from app.streaming.hub import get_hub
from models.jobs import unfinished
from models.session import unit_of_work


async def wait_for_end(user_id: str, job_ids: Collection[str], seconds: float) -> bool:
    """Return once all of a user's jobs have ended, or when the time is over, or this process ends:
    False then. Raises DatabaseUnavailable."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with get_hub().subscribe(job_ids) as subscription:
        rest = await asyncio.to_thread(_unfinished, user_id, job_ids)
        while rest and not subscription.ended and (left := until - loop.time()) > 0:
            heard = await subscription.get(left)
            if heard is not None and (heard[1] is None or heard[1].kind == "ended"):
                rest = await asyncio.to_thread(_unfinished, user_id, rest)
        return not subscription.ended


def _unfinished(user_id: str, job_ids: Collection[str]) -> set[str]:
    with unit_of_work() as session:
        return unfinished(session, user_id, job_ids)
