"""One client's position in one job's events."""

import time
from collections.abc import Iterator
from typing import Final

import redis
import structlog

from app.streaming.events import Event, Text, event_of, steps_of, text_of
from config.outages import outages
from config.redis import redis_client
from models.errors import DatabaseUnavailable
from models.jobs import Job, find_job
from models.lifecycle.event_numbers import NumberedText
from models.session import unit_of_work
from tasks.events.envelope import Envelope, read_tail

# A worker saves its text every two seconds, so reading the row more often is of little use.
REREAD_AFTER_S: Final = 0.5

log = structlog.get_logger(__name__)


class Follower:
    """Reads a job's events in order, each once.

    An envelope is used if it continues what the client has. Otherwise something was missed: the row
    is read, and the tail of its text in Redis.
    """

    def __init__(self, user_id: str, job_id: str, after: int) -> None:
        self._user_id = user_id
        self._job_id = job_id
        self._at = after
        # When to read the row again, because something is missing; on `time.monotonic()`.
        self.reread_at: float | None = None
        self.done = False

    @property
    def at(self) -> int:
        """The number of the last event that the client has."""
        return self._at

    def has_to_read(self, envelope: Envelope | None) -> bool:
        """Whether `take` has to read from PostgreSQL or Redis for this envelope."""
        if self.done:
            return False
        return (
            envelope is None
            or envelope.kind == "ended"
            or self.reread_at is not None
            or envelope.before > self._at
        )

    def take(self, envelope: Envelope | None) -> Iterator[Event]:
        """The events that an envelope leads to; None means that the row should be read."""
        if self.done:
            return
        if envelope is None or envelope.kind == "ended":
            yield from self.catch_up()
        elif self.reread_at is not None:
            yield from self.reread()
        elif envelope.number > self._at:
            if envelope.before > self._at:
                yield from self.catch_up()
            yield from self._follow_on(envelope)

    def reread(self) -> Iterator[Event]:
        """Read the row again if something is missing and the time has come."""
        if self.reread_at is not None and time.monotonic() >= self.reread_at:
            yield from self.catch_up()

    def catch_up(self) -> Iterator[Event]:
        """The events of the row that the client lacks; none while PostgreSQL is unavailable."""
        self.reread_at = None
        try:
            with unit_of_work() as session:
                job = find_job(session, self._user_id, self._job_id)
        except DatabaseUnavailable as error:
            outages.note("database", error)
            self._reread_later()
            return
        if job is None:  # its user was deleted
            self.done = True
            return
        yield from self.read(job)

    def read(self, job: Job) -> Iterator[Event]:
        """The events of this row that the client lacks."""
        text = text_of(job)
        for step in steps_of(job):
            if text is not None and step.number > text.base:
                yield from self._read_text(text)
                text = None
            yield from self._step(step)
        if text is not None:
            yield from self._read_text(text)

    def _step(self, step: Event) -> Iterator[Event]:
        if step.number > self._at:
            self._at = step.number
            yield step
        self.done = self.done or step.final  # the client may have had the end before

    def _follow_on(self, envelope: Envelope) -> Iterator[Event]:
        if envelope.number <= self._at or self.done:
            return
        if envelope.before > self._at:
            self._reread_later()
        elif envelope.kind == "text":
            yield self._piece(envelope.data["text"], envelope.number)
        else:
            try:
                event = event_of(envelope)
            except (ValueError, KeyError) as error:
                log.error("unreadable event skipped", job_id=self._job_id, error=repr(error))
                yield from self.catch_up()
                return
            yield from self._step(event)

    # --- text

    def _read_text(self, text: Text) -> Iterator[Event]:
        if text.whole:
            if text.number > self._at:
                yield self._piece(text.text, text.number)
            return
        self._at = max(self._at, text.base)
        yield from self._read_tail()
        if text.number > self._at:  # Redis no longer has it
            self._at = text.number
            yield Event(text.number, "job.snapshot", {"text": text.text})
            yield from self._read_tail()

    def _read_tail(self) -> Iterator[Event]:
        pieces = []
        for envelope in self._tail():
            if envelope.before > self._at:
                break
            pieces.append(self._cut(envelope.data["text"], envelope.number))
            self._at = envelope.number
        if pieces:
            yield Event(self._at, "job.delta", {"text": "".join(pieces)})

    def _tail(self) -> list[Envelope]:
        try:
            return read_tail(redis_client(), self._job_id, self._at)
        except redis.RedisError as error:
            outages.note("redis", error)
            return []

    def _piece(self, text: str, number: int) -> Event:
        cut = self._cut(text, number)
        self._at = number
        return Event(number, "job.delta", {"text": cut})

    def _cut(self, text: str, number: int) -> str:
        """The part that the client lacks of a text whose last character has this number."""
        return NumberedText.ending_at(number, text).after(self._at)

    def _reread_later(self) -> None:
        self.reread_at = time.monotonic() + REREAD_AFTER_S
