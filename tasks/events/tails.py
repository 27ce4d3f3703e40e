"""The tails that this process writes, for clients that connect between two saves of a row."""

import math
import time
from typing import Any, Final

from tasks.events.envelope import TAIL_S, Envelope, tail_of

EXTEND_EVERY_S: Final = TAIL_S / 4
# The expiry of an older one is set again with its next piece.
REMEMBERED: Final = 10_000


class Tails:
    """Adds to pipelines what changes a tail. For one thread."""

    def __init__(self) -> None:
        self._extended_at: dict[str, float] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._extended_at

    def add(self, pipeline: Any, job_id: str, piece: Envelope) -> None:
        """Add a piece of text."""
        key, at = tail_of(job_id), time.monotonic()
        entry = {"before": piece.before, "text": piece.data["text"]}
        pipeline.xadd(key, entry, id=f"{piece.number}-0")
        if at - self._extended_at.get(job_id, -math.inf) >= EXTEND_EVERY_S:
            pipeline.expire(key, TAIL_S)
            self._extended_at[job_id] = at
            if len(self._extended_at) > REMEMBERED:
                del self._extended_at[next(iter(self._extended_at))]

    def delete(self, pipeline: Any, job_id: str) -> None:
        """Delete a tail: the row has the text."""
        self._extended_at.pop(job_id, None)
        pipeline.delete(tail_of(job_id))
