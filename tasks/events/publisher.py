"""Publishes events of jobs from a thread of its own, so that no stage waits for Redis.

What comes within a few milliseconds is sent together, and pieces of one text as one. While anything
is followed, the end of a job and the beginning of a text don't wait for what may come; those of a
job that goes first never do. Nothing is published about a job that no process follows: whoever
follows it later reads the row first, which has every event but the text of the last seconds, and
that is in the tail.
"""

from collections import deque
from collections.abc import Collection
from typing import Any, Final

import redis
import structlog

from config.outages import outages
from config.redis import redis_client
from tasks.daemon_loop import DaemonLoop
from tasks.events.envelope import END, Envelope, channel_of
from tasks.events.pause import Pause
from tasks.events.pieces import Pieces
from tasks.events.tails import Tails
from tasks.execution.precedence import precedence

# For so long, what goes first lets other threads wait for its event to be sent.
FIRST_S: Final = 0.05
# What Redis replies to a number lower than those of a newer run.
STALE: Final = "equal or smaller than the target stream top item"

# The job's id, what is sent, and its number among what goes first.
Due = tuple[str, Envelope | Pieces, int | None]

log = structlog.get_logger(__name__)

_outbox: deque[Due] = deque()
_tails: Final = Tails()
_pause: Final = Pause()


def publish_event(job_id: str, envelope: Envelope) -> None:
    """Publish to a job's followers; returns at once. What Redis does not accept is dropped, since
    followers also read the row."""
    _publish(job_id, envelope)


def publish_end(job_id: str) -> None:
    """Publish that a job has ended; its row says how."""
    _publish(job_id, END, urgent=True)


class TextFeed:
    """Publishes the text of one run of a job, piece by piece."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._pieces = Pieces()
        self._begun = False

    def __call__(self, text: str | None, before: int, number: int) -> None:
        """Publish a piece, or without one that the text restarts."""
        if text is None:
            self._pieces = Pieces()
            publish_restart(self._job_id, before, number)
        elif self._pieces.add(text, before, number):
            _publish(self._job_id, self._pieces, urgent=not self._begun)
            self._begun = True


def publish_restart(job_id: str, before: int, number: int) -> None:
    """Publish that a text restarts."""
    publish_event(job_id, Envelope("restarted", before, number, {}))


def _publish(job_id: str, due: Envelope | Pieces, *, urgent: bool = False) -> None:
    first = precedence.begin(FIRST_S) if urgent and precedence.is_first else None
    _outbox.append((job_id, due, first))
    _publisher.start()
    _publisher.wake()
    if urgent:
        _pause.end_early(always=first is not None)


def _publish_batch() -> None:
    _pause.begin_batch()
    batch = [_outbox.popleft() for _ in range(len(_outbox))]
    if not batch:
        return
    for _, due, _ in batch:
        if isinstance(due, Pieces):
            due.seen()
    try:
        _send(batch)
    finally:
        for *_, first in batch:
            if first is not None:
                precedence.end(first)
    _pause()


_publisher: Final = DaemonLoop("event-publisher", _publish_batch, lambda: None)


def _followed(client: redis.Redis, job_ids: Collection[str]) -> set[str]:
    """Those of these jobs that some process follows now. Raises redis.RedisError."""
    by_channel = {channel_of(job_id): job_id for job_id in job_ids}
    counts: Any = client.pubsub_numsub(*by_channel)
    return {by_channel[channel] for channel, followers in counts if followers}


def _send(batch: Collection[Due]) -> None:
    client = redis_client()
    followed = _followed(client, {job_id for job_id, *_ in batch})
    if followed:
        _pause.note_followed()
    pipeline = client.pipeline(transaction=False)
    for job_id, due, _ in batch:
        envelope = due.take() if isinstance(due, Pieces) else due
        if envelope is not None:
            _add(pipeline, job_id, envelope, followed=job_id in followed)
    for result in pipeline.execute(raise_on_error=False):
        if isinstance(result, redis.ResponseError):
            if STALE in str(result):  # from a superseded run
                log.debug("event refused", error=str(result))
            else:
                outages.note("redis", result)


def _add(pipeline: Any, job_id: str, envelope: Envelope, *, followed: bool) -> None:
    if envelope.kind == "text":
        _tails.add(pipeline, job_id, envelope)
    elif envelope.kind in ("usage", "ended") and (followed or job_id in _tails):
        _tails.delete(pipeline, job_id)  # the row has the text
    if followed:
        pipeline.publish(channel_of(job_id), envelope.encode())
