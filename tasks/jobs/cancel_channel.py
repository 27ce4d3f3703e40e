"""Notifies workers that jobs were cancelled. Best effort: a job's fence decides."""

from typing import Final

import redis
import structlog

from config.outages import outages
from config.redis import redis_client

CHANNEL: Final = "trimind:stop"

log = structlog.get_logger(__name__)


def announce(*job_ids: str) -> None:
    """Notify the workers that these jobs were cancelled. One that misses it finds out when it next
    writes."""
    if not job_ids:
        return
    try:
        with redis_client().pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.publish(CHANNEL, job_id)
            pipe.execute()
    except redis.RedisError as error:
        outages.note("redis", error)
