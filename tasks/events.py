"""What is told of a job while it is worked on: over Redis, best effort, since the row has it all.

Each message goes to the job's channel, for whoever listens. Text is kept in a stream as well, the
*tail*, for those who come between two saves of the row; its entries have the events' numbers.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import redis

Kind = Literal["stage", "text", "restarted", "usage", "ended"]

TAIL_S: Final = 3600
READ_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Message:
    """One event. It covers the numbers from `before` (exclusive) to `number`, so that whoever has
    read up to `before` lacks nothing."""

    kind: Kind
    before: int
    number: int
    data: dict[str, Any]

    def encode(self) -> str:
        """As it goes over the channel."""
        return json.dumps([self.kind, self.before, self.number, self.data], separators=(",", ":"))

    @classmethod
    def decode(cls, sent: str) -> Self:
        """From the channel."""
        return cls(*json.loads(sent))


def number_of(sent: str) -> int:
    """The number of a message, without decoding all of it."""
    return int(sent.split(",", 3)[2])


ENDED: Final = Message("ended", 0, 0, {})


def channel_of(job_id: str) -> str:
    """The channel on which a job's messages go."""
    return f"trimind:job:{job_id}"


def tail_of(job_id: str) -> str:
    """The key of the stream of a job's text."""
    return f"trimind:tail:{job_id}"


def read_tail(client: redis.Redis, job_id: str, after: int) -> list[Message]:
    """The pieces of text that were told after a number. Raises redis.RedisError."""
    entries: Any = client.xrange(tail_of(job_id), min=f"({after}-0", count=READ_AT_ONCE)
    return [
        Message("text", int(entry["before"]), int(key.split("-")[0]), {"text": entry["text"]})
        for key, entry in entries
    ]
