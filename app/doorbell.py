"""Hears of jobs for a whole web process: one Redis connection, however many clients wait.

Redis may lose what is told, or be away. So this also looks, now and then, at the rows of all jobs
that somebody listens to, in one query for all of them.
"""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, Final

import redis
import structlog

from config.redis import listening_client
from models.errors import DatabaseUnavailable
from models.jobs import sequences_of
from models.session import unit_of_work
from tasks.events import Message, channel_of, number_of

LOOK_EVERY_S: Final = 5.0
LOOK_EVERY_AWAY_S: Final = 1.0
OPEN_WITHIN_S: Final = 1.0
# A new listener waits for so long, at most, while others are listened to.
HEAR_S: Final = 0.05
# No job's channel: with it open, the connection is always one that hears.
NOBODY: Final = ""

log = structlog.get_logger(__name__)


class Listener:
    """What one client hears: a job's id and a message, or None where its row should be read."""

    def __init__(self) -> None:
        self._heard: SimpleQueue[tuple[str, str | None]] = SimpleQueue()

    def put(self, job_id: str, told: str | None) -> None:
        """Hear something."""
        self._heard.put((job_id, told))

    def get(self, timeout_s: float) -> tuple[str, Message | None] | None:
        """The next that was heard; None: nothing within the time."""
        try:
            job_id, told = self._heard.get(timeout=max(0.001, timeout_s))
        except Empty:
            return None
        return job_id, Message.decode(told) if told is not None else None


class Doorbell(threading.Thread):
    """Passes on what is told of the jobs that are listened to.

    The connection is used by this thread alone: others say what they want heard, and wait.
    """

    def __init__(self) -> None:
        super().__init__(name="doorbell", daemon=True)
        self._changed = threading.Condition()
        self._listeners: dict[str, set[Listener]] = {}
        self._open: dict[str, threading.Event] = {}
        self._subscribed: set[str] = set()
        self._seen: dict[str, int] = {}
        self._other_jobs = True
        self._away = False
        self._pubsub = listening_client().pubsub()  # type: ignore[no-untyped-call]

    @contextmanager
    def listen(self, job_ids: Collection[str]) -> Iterator[Listener]:
        """Hear of these jobs: all that is told after this begins."""
        listener = Listener()
        with self._changed:
            for job_id in job_ids:
                self._listeners.setdefault(job_id, set()).add(listener)
                self._open.setdefault(job_id, threading.Event())
            opened = [self._open[job_id] for job_id in job_ids]
            self._other_jobs = True
            self._changed.notify()
        try:
            self._wait_for(opened)
            yield listener
        finally:
            with self._changed:
                for job_id in job_ids:
                    self._remove(job_id, listener)

    def run(self) -> None:
        looked = time.monotonic()
        while True:
            self._wait_for_somebody()
            try:
                self._hear()
                every_s = LOOK_EVERY_AWAY_S if self._away else LOOK_EVERY_S
                if time.monotonic() - looked >= every_s:
                    looked = time.monotonic()
                    self._look()
            except Exception:  # the seam: without this thread nobody would hear of anything
                log.exception("doorbell failed")
                time.sleep(LOOK_EVERY_AWAY_S)

    # --- who listens

    def _wait_for_somebody(self) -> None:
        with self._changed:
            while not self._listeners and self._subscribed <= {NOBODY}:
                self._changed.wait()

    def _wait_for(self, opened: Collection[threading.Event]) -> None:
        until = time.monotonic() + OPEN_WITHIN_S
        for each in opened:
            if not self._away:
                each.wait(max(0.0, until - time.monotonic()))

    def _remove(self, job_id: str, listener: Listener) -> None:
        listeners = self._listeners.get(job_id, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(job_id, None)
            self._seen.pop(job_id, None)
            self._other_jobs = True

    def _listened(self) -> list[str]:
        with self._changed:
            return list(self._listeners)

    def _of(self, job_id: str) -> list[Listener]:
        with self._changed:
            return list(self._listeners.get(job_id, ()))

    def _ring(self, job_ids: Collection[str]) -> None:
        for job_id in job_ids:
            for listener in self._of(job_id):
                listener.put(job_id, None)

    # --- Redis

    def _hear(self) -> None:
        try:
            self._subscribe()
            message: Any = self._pubsub.get_message(timeout=HEAR_S)
        except redis.RedisError as error:
            if not self._away:
                log.warning("doorbell waits for Redis", error=type(error).__name__)
            self._away = True
            self._other_jobs = True  # what could not be opened is opened when it is back
            time.sleep(LOOK_EVERY_AWAY_S)
            return
        if self._away:
            self._away = False
            self._ring(self._listened())  # what was told meanwhile was not heard
        if message is not None:
            self._pass_on(message["type"], _job_of(message["channel"]), message["data"])

    def _subscribe(self) -> None:
        """Have the channels open that somebody listens to, and no others."""
        with self._changed:
            if not self._other_jobs:
                return
            self._other_jobs = False
            wanted = {NOBODY, *self._listeners}
            dropped, new = self._subscribed - wanted, wanted - self._subscribed
            # Whoever listens from now on to what is dropped waits until it is open again.
            self._open = {job_id: each for job_id, each in self._open.items() if job_id in wanted}
        if new:
            self._pubsub.subscribe(*map(channel_of, new))
        if dropped:
            self._pubsub.unsubscribe(*map(channel_of, dropped))
        self._subscribed = wanted

    def _pass_on(self, kind: str, job_id: str, data: Any) -> None:
        if kind == "subscribe":
            with self._changed:
                opened = self._open.get(job_id)
            if opened is not None:
                opened.set()
        elif kind == "message":
            self._note(job_id, number_of(data))
            for listener in self._of(job_id):
                listener.put(job_id, data)

    # --- PostgreSQL

    def _look(self) -> None:
        """Ring for the jobs whose row has more than was heard: a message must have been lost."""
        listened = self._listened()
        if not listened:
            return
        try:
            with unit_of_work() as session:
                found = sequences_of(session, listened)
        except DatabaseUnavailable as error:
            log.warning("doorbell waits for the database", error=str(error))
            return
        gone = [job_id for job_id in listened if job_id not in found]
        self._ring(
            gone + [job_id for job_id, number in found.items() if self._note(job_id, number)]
        )

    def _note(self, job_id: str, number: int) -> bool:
        """Whether this event is newer than all that were heard of the job, or looked at."""
        with self._changed:
            newer = job_id in self._listeners and number > self._seen.get(job_id, 0)
            if newer:
                self._seen[job_id] = number
            return newer


@lru_cache(maxsize=1)
def get_doorbell() -> Doorbell:
    """The doorbell of this process, started at first use."""
    doorbell = Doorbell()
    doorbell.start()
    return doorbell


def _job_of(channel: str) -> str:
    return channel.removeprefix(channel_of(""))
