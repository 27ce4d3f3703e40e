"""Publishes, from a thread of its own, what happens to jobs: no stage waits for Redis.

Messages that come within a few milliseconds go out together, and pieces of one text as one.
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

# Between two batches: long enough to gather the pieces of many streams, too short to be seen.
GATHER_S: Final = 0.02
# What Redis answers to a number that is behind those of a newer run.
OLDER: Final = "equal or smaller than the target stream top item"

Told = tuple[str, Envelope]

log = structlog.get_logger(__name__)

_outbox: deque[Told] = deque()


def publish_event(job_id: str, envelope: Envelope) -> None:
    """Publish to a job's followers; returns at once. What Redis does not take is dropped, since
    followers read the row as well."""
    _outbox.append((job_id, envelope))
    _publisher.start()
    _publisher.wake()


def publish_end(job_id: str) -> None:
    """Tell that a job has ended; how, its row says."""
    publish_event(job_id, END)


def publish_text(job_id: str, text: str | None, before: int, number: int) -> None:
    """Tell a piece of a text, or that it begins anew."""
    if text is None:
        publish_event(job_id, Envelope("restarted", before, number, {}))
    else:
        publish_event(job_id, Envelope("text", before, number, {"text": text}))


def _publish_waiting() -> None:
    batch = [_outbox.popleft() for _ in range(len(_outbox))]
    _send(redis_client(), joined(batch))
    time.sleep(GATHER_S)


_publisher: Final = DaemonLoop("event-publisher", _publish_waiting, lambda: None)


def joined(told: Iterable[Told]) -> list[Told]:
    """The same, with pieces of one text that follow each other made one; each job's in order."""
    out: list[Told] = []
    last: dict[str, int] = {}
    for job_id, envelope in told:
        place = last.get(job_id)
        before = out[place][1] if place is not None else None
        if place is not None and before is not None and _goes_on(before, envelope):
            text = before.data["text"] + envelope.data["text"]
            out[place] = (job_id, Envelope("text", before.before, envelope.number, {"text": text}))
        else:
            last[job_id] = len(out)
            out.append((job_id, envelope))
    return out


def _goes_on(before: Envelope, envelope: Envelope) -> bool:
    return before.kind == envelope.kind == "text" and before.number == envelope.before


def _send(client: redis.Redis, told: list[Told]) -> None:
    pipeline = client.pipeline(transaction=False)
    for job_id, envelope in told:
        if envelope.kind == "text":
            _keep(pipeline, job_id, envelope)
        elif envelope.kind in ("usage", "ended"):
            pipeline.delete(tail_of(job_id))  # the row has all that is kept of the text
        pipeline.publish(channel_of(job_id), envelope.encode())
    for result in pipeline.execute(raise_on_error=False):
        if isinstance(result, redis.ResponseError):
            if OLDER in str(result):  # a run that was superseded
                log.debug("event refused", error=str(result))
            else:
                outages.note("redis", result)


def _keep(pipeline: Any, job_id: str, envelope: Envelope) -> None:
    entry = {"before": envelope.before, "text": envelope.data["text"]}
    pipeline.xadd(tail_of(job_id), entry, id=f"{envelope.number}-0")
    pipeline.expire(tail_of(job_id), TAIL_S)
