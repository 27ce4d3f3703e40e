"""Tell the workers that a job is not wanted any more; best effort, since its fence decides."""

from typing import Final

import redis
import structlog

from config.outages import outages
from config.redis import redis_client

CHANNEL: Final = "trimind:stop"

log = structlog.get_logger(__name__)


def announce(*job_ids: str) -> None:
    """Say that jobs were cancelled. A worker that misses it learns of it by its next write."""
    try:
        for job_id in job_ids:
            redis_client().publish(CHANNEL, job_id)
    except redis.RedisError as error:
        outages.note("redis", error)
