"""Places for those who stay: open streams and waits take a thread each, and some must be left."""

from functools import lru_cache
from threading import BoundedSemaphore
from typing import Final

from app.problem import Problem, Refusal
from config.settings import get_settings

KEPT_FREE: Final = 8
RETRY_AFTER_S: Final = 5


@lru_cache(maxsize=1)
def places() -> BoundedSemaphore:
    """As many as this process has threads, less those that are kept for everything else."""
    return BoundedSemaphore(max(1, get_settings().web_threads - KEPT_FREE))


def take_place() -> None:
    """Take a place for a stream. Raises Refusal where there is none: 503, with `Retry-After`."""
    if not places().acquire(blocking=False):
        detail = "As many streams are open here as may be. Try again, or poll the job."
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise Refusal(Problem(503, "too_many_streams", detail, headers=headers))
