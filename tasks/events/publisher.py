"""Publishes events of jobs from a thread of its own, so that no stage waits for Redis.

Envelopes that come within a few milliseconds are sent together, and pieces of one text as one.
"""

import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import redis
import structlog

from config.outages import outages
from config.redis import redis_client
from tasks.daemon_loop import DaemonLoop
from tasks.events.envelope import END, TAIL_S, Envelope, channel_of, tail_of

# Between two batches: long enough to collect pieces of many streams, too short to be noticed.
BATCH_S: Final = 0.02
# What Redis replies to a number lower than those of a newer run.
STALE: Final = "equal or smaller than the target stream top item"

Published = tuple[str, Envelope]

log = structlog.get_logger(__name__)

_outbox: deque[Published] = deque()


def publish_event(job_id: str, envelope: Envelope) -> None:
    """Publish to a job's followers; returns at once. What Redis does not accept is dropped, since
    followers also read the row."""
    _outbox.append((job_id, envelope))
    _publisher.start()
    _publisher.wake()


def publish_end(job_id: str) -> None:
    """Publish that a job has ended; its row says how."""
    publish_event(job_id, END)


def publish_text(job_id: str, text: str | None, before: int, number: int) -> None:
    """Publish a piece of a text, or without one that the text restarts."""
    if text is None:
        publish_event(job_id, Envelope("restarted", before, number, {}))
    else:
        publish_event(job_id, Envelope("text", before, number, {"text": text}))


def _publish_batch() -> None:
    batch = [_outbox.popleft() for _ in range(len(_outbox))]
    _send(redis_client(), merged(batch))
    time.sleep(BATCH_S)


_publisher: Final = DaemonLoop("event-publisher", _publish_batch, lambda: None)


def merged(batch: Iterable[Published]) -> list[Published]:
    """The batch with consecutive pieces of one text merged; each job's envelopes stay in order."""
    out: list[Published] = []
    last: dict[str, int] = {}
    for job_id, envelope in batch:
        place = last.get(job_id)
        before = out[place][1] if place is not None else None
        if place is not None and before is not None and _continues(before, envelope):
            text = before.data["text"] + envelope.data["text"]
            out[place] = (job_id, Envelope("text", before.before, envelope.number, {"text": text}))
        else:
            last[job_id] = len(out)
            out.append((job_id, envelope))
    return out


def _continues(before: Envelope, envelope: Envelope) -> bool:
    return before.kind == envelope.kind == "text" and before.number == envelope.before


def _send(client: redis.Redis, batch: list[Published]) -> None:
    pipeline = client.pipeline(transaction=False)
    for job_id, envelope in batch:
        if envelope.kind == "text":
            _add_to_tail(pipeline, job_id, envelope)
        elif envelope.kind in ("usage", "ended"):
            pipeline.delete(tail_of(job_id))  # the row has the text
        pipeline.publish(channel_of(job_id), envelope.encode())
    for result in pipeline.execute(raise_on_error=False):
        if isinstance(result, redis.ResponseError):
            if STALE in str(result):  # from a superseded run
                log.debug("event refused", error=str(result))
            else:
                outages.note("redis", result)


def _add_to_tail(pipeline: Any, job_id: str, envelope: Envelope) -> None:
    entry = {"before": envelope.before, "text": envelope.data["text"]}
    pipeline.xadd(tail_of(job_id), entry, id=f"{envelope.number}-0")
    pipeline.expire(tail_of(job_id), TAIL_S)
