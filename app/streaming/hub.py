"""Receives events of jobs for a whole web process over one Redis connection.

Redis may lose a message, or be unavailable. So the hub also polls the rows of all jobs that have a
subscriber, in one query.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any, Final

import redis
import structlog

from app.streaming.access import ending_with_access, hear_revocation, open_accesses
from app.streaming.subscription import Subscription
from config.once import once
from config.outages import outages
from config.redis import listener, redis_client
from config.shutdown import on_shutdown
from models.errors import DatabaseUnavailable
from models.jobs import sequences_of
from models.session import unit_of_work
from tasks.daemon_loop import DaemonLoop
from tasks.events.envelope import Envelope, channel_of
from tasks.events.revocations import NO_JOB

NAME: Final = "hub"
POLL_ROWS_EVERY_S: Final = 5.0
POLL_ROWS_EVERY_AWAY_S: Final = 1.0
OPEN_WITHIN_S: Final = 1.0
# How long a new subscription may have to wait if this thread's read can't be interrupted.
POLL_REDIS_S: Final = 0.2
# How long an opened channel waits for its subscription: its client may go before.
EXPECTED_WITHIN_S: Final = 5.0

log = structlog.get_logger(__name__)


class SubscriptionHub:
    """Forwards what is published about the jobs that have a subscriber.

    The connection is used by this thread alone; subscriptions belong to event loops. While it
    waits for Redis, it hears of a new subscription over Redis too, on a channel of its own.
    """

    def __init__(
        self, poll_redis_s: float = POLL_REDIS_S, expected_within_s: float = EXPECTED_WITHIN_S
    ) -> None:
        self._poll_redis_s = poll_redis_s
        self._expected_within_s = expected_within_s
        self._own = f"hub_{token_hex(8)}"
        self._reading = False
        self._loop = DaemonLoop(NAME, self._poll, self._interval)
        self._lock = threading.Lock()
        self._subscribers: dict[str, set[Subscription]] = {}
        self._expected: dict[str, float] = {}
        self._open: set[str] = set()
        self._subscribed: set[str] = set()
        self._seen: dict[str, int] = {}
        self._subscriptions_changed = True
        self._away = False
        self._ending = False
        self._hear_until = 0.0
        self._rows_polled_at = time.monotonic()
        self._pubsub: Any = listener()  # redis-py's own has no types

    def open_soon(self, job_ids: Collection[str]) -> None:
        """Open these jobs' channels for a subscription that is about to begin: it then waits for
        neither a thread nor Redis. Not on an event loop, since it calls Redis."""
        until = time.monotonic() + self._expected_within_s
        with self._lock:
            self._expected |= dict.fromkeys(job_ids, until)
            self._subscriptions_changed = True
            interrupts, self._reading = self._reading, False
        self._loop.start()
        self._loop.wake()
        if interrupts:
            self._interrupt()

    @asynccontextmanager
    async def subscribe(
        self, job_ids: Collection[str], *, only_ends: bool = False
    ) -> AsyncIterator[Subscription]:
        """Subscribe to these jobs: everything that is published from now on, or only their ends."""
        subscription = Subscription(only_ends=only_ends)
        with self._lock:
            for job_id in job_ids:
                self._subscribers.setdefault(job_id, set()).add(subscription)
            closed = set() if self._away else set(job_ids) - self._open
            new = closed - self._expected.keys()  # of the others the thread knows
            for job_id in job_ids:
                self._expected.pop(job_id, None)
            self._subscriptions_changed = self._subscriptions_changed or bool(new) or self._away
            interrupts, self._reading = bool(new) and self._reading, self._reading and not new
            if self._ending:
                subscription.end()
        subscription.note_closed(closed)  # before it can be told that they are open
        self._loop.start()
        self._loop.wake()
        try:
            with ending_with_access(subscription.end):
                if interrupts:
                    await asyncio.to_thread(self._interrupt)
                await subscription.wait_until_open(OPEN_WITHIN_S)
                yield subscription
        finally:
            with self._lock:
                for job_id in job_ids:
                    self._remove(job_id, subscription)

    def hear_revocations(self, seconds: float) -> None:
        """Hear of revocations for these seconds at least, as it does while jobs are followed."""
        self._hear_until = time.monotonic() + seconds
        self._loop.start()
        self._loop.wake()

    def end(self) -> None:
        """End all subscriptions: this process is shutting down."""
        with self._lock:
            self._ending = True
            for subscription in {one for many in self._subscribers.values() for one in many}:
                subscription.end()

    def _interval(self) -> float | None:
        """Poll without a pause, since reading Redis blocks; None while nothing has to be heard."""
        hears = time.monotonic() < self._hear_until
        with self._lock:
            followed = hears or self._subscribers or self._expected
            return 0 if followed or not self._subscribed <= {NO_JOB, self._own} else None

    def _poll(self) -> None:
        self._poll_redis()
        every_s = POLL_ROWS_EVERY_AWAY_S if self._away else POLL_ROWS_EVERY_S
        if time.monotonic() - self._rows_polled_at >= every_s:
            self._rows_polled_at = time.monotonic()
            self._poll_rows()
            open_accesses().check()

    # --- subscribers

    def _remove(self, job_id: str, subscription: Subscription) -> None:
        subscribers = self._subscribers.get(job_id, set())
        subscribers.discard(subscription)
        if not subscribers:
            self._subscribers.pop(job_id, None)
            self._seen.pop(job_id, None)
            self._subscriptions_changed = True

    def _jobs(self) -> list[str]:
        with self._lock:
            return list(self._subscribers)

    def _of(self, job_id: str) -> list[Subscription]:
        with self._lock:
            return list(self._subscribers.get(job_id, ()))

    def _notify(self, job_ids: Collection[str], envelope: Envelope | None = None) -> None:
        for job_id in job_ids:
            for subscription in self._of(job_id):
                subscription.put(job_id, envelope)

    # --- Redis

    def _interrupt(self) -> None:
        """Make the hub's thread look at its subscriptions now. In any thread but the hub's."""
        try:
            redis_client().publish(channel_of(self._own), "")
        except redis.RedisError as error:
            outages.note("redis", error)

    def _poll_redis(self) -> None:
        try:
            self._subscribe()
            message: Any = self._pubsub.get_message(timeout=self._poll_redis_s)
        except redis.RedisError as error:
            outages.note("redis", error, watcher=NAME)
            self._away = True
            # Subscribe to all channels again: the server may have refused them.
            self._pubsub.reset()
            with self._lock:
                self._open.clear()
                self._subscribed, self._subscriptions_changed = set(), True
                self._reading = False
            time.sleep(POLL_ROWS_EVERY_AWAY_S)
            return
        if self._away:
            self._away = False
            outages.clear("redis", NAME)
            self._notify(self._jobs())  # what was published meanwhile is lost
        if message is not None:
            self._forward(message["type"], _job_of(message["channel"]), message["data"])

    def _subscribe(self) -> None:
        """Open the channels of jobs with subscribers, and close the others."""
        with self._lock:
            self._reading = True
            self._forget_unexpected()
            if not self._subscriptions_changed:
                return
            self._subscriptions_changed = False
            # The channel of no job keeps the connection in subscriber mode.
            wanted = {NO_JOB, self._own, *self._subscribers, *self._expected}
            dropped, new = self._subscribed - wanted, wanted - self._subscribed
            # A later subscriber to a dropped channel waits until it is open again.
            self._open &= wanted
        if new:
            self._pubsub.subscribe(*map(channel_of, new))
        if dropped:
            self._pubsub.unsubscribe(*map(channel_of, dropped))
        self._subscribed = wanted

    def _forget_unexpected(self) -> None:
        now = time.monotonic()
        for job_id in [job_id for job_id, until in self._expected.items() if until < now]:
            del self._expected[job_id]
            self._subscriptions_changed = True

    def _forward(self, kind: str, job_id: str, data: Any) -> None:
        if kind == "subscribe":
            with self._lock:
                if job_id in self._subscribed:
                    self._open.add(job_id)
            for subscription in self._of(job_id):
                subscription.opened(job_id)
        elif kind == "message" and job_id == NO_JOB:
            hear_revocation(data)
        elif kind == "message" and job_id != self._own:
            envelope = _decode(job_id, data)
            if envelope is not None:
                self._note(job_id, envelope.number)
            self._notify([job_id], envelope)

    # --- PostgreSQL

    def _poll_rows(self) -> None:
        """Notify the subscribers of jobs whose row is ahead: a message was lost."""
        jobs = self._jobs()
        if not jobs:
            return
        try:
            with unit_of_work() as session:
                found = sequences_of(session, jobs)
        except DatabaseUnavailable as error:
            outages.note("database", error)
            return
        gone = [job_id for job_id in jobs if job_id not in found]
        self._notify(
            gone + [job_id for job_id, number in found.items() if self._note(job_id, number)]
        )

    def _note(self, job_id: str, number: int) -> bool:
        """Whether this event is newer than every one received or read for the job so far."""
        with self._lock:
            newer = job_id in self._subscribers and number > self._seen.get(job_id, 0)
            if newer:
                self._seen[job_id] = number
            return newer


@once
def get_hub() -> SubscriptionHub:
    """The hub of this process."""
    hub = SubscriptionHub()
    on_shutdown(hub.end)
    return hub


def _decode(job_id: str, sent: Any) -> Envelope | None:
    """The envelope; None if it can't be read, so that the row is read instead."""
    try:
        return Envelope.decode(sent)
    except (TypeError, ValueError) as error:
        log.error("unreadable event skipped", job_id=job_id, error=repr(error))
        return None


def _job_of(channel: str) -> str:
    return channel.removeprefix(channel_of(""))
