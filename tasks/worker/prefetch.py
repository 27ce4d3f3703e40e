"""How many messages a worker with a thread pool takes: as many as it can work on now.

A job waits for its provider most of the time, and a thread that waits costs next to nothing. So the
pool has hundreds of threads, but takes a new message only while fewer than `WORKING` of them work:
more would slow each other down, a job of a user with few in flight above all, and keep messages
from workers that have time for them. A thread that waits makes room for another message; one that
has acknowledged its message and goes on with the next stage takes the room of one. RabbitMQ's
quorum queues allow no such adjustments: there, a worker takes `FIXED` messages of each lane.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from celery.worker.consumer import Consumer

from config.queues import has_lane_queues
from config.settings import get_settings

# So many keep a core busy, and as many connections to PostgreSQL as a process has (DATABASE_POOL).
WORKING: Final = 8
# So many, while users with little in flight have jobs as well: each of the others holds those up
# until its next step. They answer a tenth fewer jobs.
SHARED: Final = 3
# Whoever had a job within the last minute may have the next one soon.
SHARED_S: Final = 60.0
# The first jobs of a burst are of the first lane as well, though its user may be alone: so long
# after the first job of a later lane, a job that goes past it may be one of them.
BURST_S: Final = 0.3
# Some of these wait for a model that classifies their intent.
FIXED: Final = 32


class Prefetch:
    """Sets the prefetch count of a consumer, for a pool of this many threads.

    `when_full` is called when no more messages are taken; it may be called again meanwhile.
    """

    def __init__(self, threads: int, when_full: Callable[[], object]) -> None:
        self._threads, self._when_full = threads, when_full
        self._consumer: Consumer | None = None
        self._is_fixed = False
        self._lock = threading.Lock()
        self._messages = 0
        self._waiting = 0
        self._hops = 0
        # The threads with jobs of later lanes, and since when there are any.
        self._later = 0
        self._later_since = 0.0
        self._shared_until = 0.0

    def follow(self, consumer: Consumer) -> None:
        """Set the prefetch count of this consumer from now on; before it starts."""
        self._consumer = consumer
        # Quorum queues know no common limit of all consumers, and those of a consumer can't change.
        self._is_fixed = has_lane_queues(consumer.app.conf.broker_url)
        consumer.initial_prefetch_count = self._fixed if self._is_fixed else self._wanted

    def take(self, more: int) -> None:
        """Note that so many more messages are in hand, and not acknowledged."""
        with self._lock:
            self._messages += more
            self._tell()

    def wait(self, more: int) -> None:
        """Note that so many more threads wait for a provider."""
        with self._lock:
            self._waiting += more
            self._adjust()

    def hop(self, more: int) -> None:
        """Note that so many more threads go on without a message of the broker."""
        with self._lock:
            self._hops += more
            self._adjust()

    def work_later(self, more: int) -> None:
        """Note that so many more threads have a job of a later lane."""
        with self._lock:
            if not self._later:
                self._later_since = time.monotonic()
            self._later += more

    def share(self) -> None:
        """Note that a job goes past those that wait here."""
        now = time.monotonic()
        with self._lock:
            if self._later and now - self._later_since > BURST_S:
                self._shared_until = now + SHARED_S
                self._adjust()

    @property
    def is_full(self) -> bool:
        """Whether no more messages are taken now."""
        return self._messages >= self._wanted

    @property
    def _fixed(self) -> int:
        # Without hops in a thread, a message is in hand as long as its thread waits.
        if get_settings().stage_hops == "broker":
            return self._threads
        return min(FIXED, self._threads)

    @property
    def _wanted(self) -> int:
        # Without a limit of at least one, the broker would send everything.
        working = SHARED if time.monotonic() < self._shared_until else WORKING
        return max(1, min(working + self._waiting, self._threads) - self._hops)

    def _tell(self) -> None:
        if self.is_full:
            self._when_full()

    def _adjust(self) -> None:
        self._tell()
        if self._consumer is None or self._is_fixed:
            return
        # The consumer's thread adopts the value: RabbitMQ's replies are that thread's. After a
        # lost connection there is a new one, with the value of the start.
        qos = self._consumer.qos
        more = self._wanted - qos.value
        had_room = self._messages < qos.value
        if more < 0:
            qos.decrement_eventually(-more)
        elif more > 0:
            qos.increment_eventually(more)
            if not had_room:
                self._consumer.call_soon(_wake)


def _wake() -> None:
    """Nothing: the consumer's thread adopts the prefetch count when it has been woken."""
