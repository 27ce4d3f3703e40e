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
    try:
        for job_id in job_ids:
            redis_client().publish(CHANNEL, job_id)
    except redis.RedisError as error:
        outages.note("redis", error)
