"""What is published about a job while it runs: over Redis, best effort, since the row has it all.

Each envelope goes to the job's channel. Text also goes to a Redis stream, the *tail*, for clients
that connect between two saves of the row; its entries have the events' numbers.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args

import redis
import structlog

Kind = Literal["stage", "text", "restarted", "usage", "ended"]

KINDS: Final = get_args(Kind)
TAIL_S: Final = 3600
READ_LIMIT: Final = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Envelope:
    """One event. It covers the numbers from `before` (exclusive) to `number`: a reader that has
    everything up to `before` misses nothing."""

    kind: Kind
    before: int
    number: int
    data: dict[str, Any]

    @classmethod
    def step(cls, kind: Kind, number: int, data: dict[str, Any]) -> Self:
        """An envelope that covers only its own number."""
        return cls(kind, number - 1, number, data)

    def encode(self) -> str:
        """The envelope as published on the channel."""
        return json.dumps([self.kind, self.before, self.number, self.data], separators=(",", ":"))

    @classmethod
    def decode(cls, sent: str) -> Self:
        """Parse what came from the channel. Raises ValueError if it is not an envelope."""
        try:
            kind, before, number, data = json.loads(sent)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"not an envelope: {error!r}") from error
        whole = isinstance(before, int) and isinstance(number, int) and isinstance(data, dict)
        if not whole or kind not in KINDS or not _fits(kind, data):
            raise ValueError("not an envelope")
        return cls(kind, before, number, data)


def _fits(kind: str, data: dict[str, Any]) -> bool:
    return isinstance(data.get("text"), str) if kind == "text" else True


END: Final = Envelope("ended", 0, 0, {})


def channel_of(job_id: str) -> str:
    """The channel of a job's envelopes."""
    return f"trimind:job:{job_id}"


def tail_of(job_id: str) -> str:
    """The key of the stream of a job's text."""
    return f"trimind:tail:{job_id}"


def read_tail(client: redis.Redis, job_id: str, after: int) -> list[Envelope]:
    """The pieces of text published after a number; unreadable ones are skipped and logged. Raises
    redis.RedisError."""
    entries: Any = client.xrange(tail_of(job_id), min=f"({after}-0", count=READ_LIMIT)
    found = []
    for key, entry in entries:
        try:
            before, number = int(entry["before"]), int(key.split("-")[0])
            found.append(Envelope("text", before, number, {"text": entry["text"]}))
        except (ValueError, KeyError) as error:
            log.error("unreadable text skipped", job_id=job_id, error=repr(error))
    return found
