"""Celery's pool of threads, of which each goes on with the next stage of the job that it has."""

import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from queue import PriorityQueue
from typing import Any

import structlog
from celery.concurrency.base import apply_target
from celery.concurrency.thread import ApplyResult
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.worker.consumer import Consumer

from config.message_json import decode
from config.queues import has_lane_queues
from config.settings import get_settings
from config.shutdown import on_shutdown
from models.jobs import CROWDED, FIRST, STAGES
from tasks.celery import app
from tasks.execution.hop import Hop, go_on_here, is_offered, offer, take_hop
from tasks.execution.precedence import precedence
from tasks.execution.waiting import follow_waiting
from tasks.worker.first_lane import FirstLane, Message
from tasks.worker.held_jobs import held_jobs
from tasks.worker.prefetch import WORKING, Prefetch

# Its lane, its number, and itself.
Due = tuple[int, int, Callable[[], object]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LocalMessage:
    """A task's message that never was on a broker; what Celery reads of one."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    payload: Any
    delivery_info: dict[str, Any] = field(default_factory=dict)
    # None: the payload is not encoded.
    content_type: None = None
    content_encoding: None = None

    @property
    def body(self) -> Any:
        """The payload, as Celery calls it before it is decoded."""
        return self.payload


class TaskPool(ThreadPool):  # type: ignore[misc]  # Celery ships no types
    """A pool whose threads deliver the hops that their tasks leave.

    A hop is delivered as a message is: Celery makes a request of it, sends its events and runs it.
    Only the broker has no part in it, and the message before it is acknowledged as ever.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._consumer: Any = None
        self._first_lane = FirstLane(lambda: self._prefetch.is_full, self._start_taken)
        self._prefetch = Prefetch(self.limit, self._first_lane.wake)
        self._inside = threading.local()
        self._due: PriorityQueue[Due] = PriorityQueue()
        self._numbers = count()

    def prefetch_for(self, consumer: Consumer) -> None:
        """Take as many messages as the threads can work on; before the consumer starts."""
        self._prefetch.follow(consumer)
        follow_waiting(self._prefetch.wait)

    def deliver_for(self, consumer: Consumer) -> None:
        """Deliver hops as messages of this consumer from now on; and messages of the first lane
        while it takes none, if there is one list for each lane."""
        self._consumer = consumer
        if self.limit > WORKING and not has_lane_queues(get_settings().broker):
            self._first_lane.start([*app.amqp.queues.consume_from])
            on_shutdown(self._first_lane.stop)

    def _get_info(self) -> dict[str, Any]:
        """What `celery inspect stats` and Flower show of the pool; and of the held jobs, which no
        pool has."""
        return {**super()._get_info(), "held-jobs": held_jobs(self.executor)}

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> ApplyResult | None:
        """Run a task in a thread; in the same one, if a thread of this pool delivers it."""
        task = partial(apply_target, target, args, kwargs, callback, accept_callback)
        if getattr(self._inside, "delivers", False):
            task()
            return None
        self._prefetch.take(1)
        self._due.put((lane_of(args or ()), next(self._numbers), task))
        return ApplyResult(self.executor.submit(self._run_next))

    def _start_taken(self, message: Message, done: Callable[[], None]) -> None:
        """Run the task of a message that was taken by itself, in a thread; then call back."""
        self._prefetch.share()
        self.executor.submit(self._run_taken, message, precedence.begin(), done)

    def _run_taken(self, message: Message, first: int, done: Callable[[], None]) -> None:
        self._prefetch.hop(1)
        try:
            with precedence.first(first):
                self._run_taken_task(message)
        finally:
            self._prefetch.hop(-1)
            done()

    def _run_taken_task(self, message: Message) -> None:
        go_on_here()
        self._inside.delivers = True
        try:
            self._deliver(
                message["headers"], message["properties"], decode(b64decode(message["body"]))
            )
        except Exception:  # the boundary: nothing reads what a thread of the pool raises
            log.exception("message not delivered", task_id=message["headers"].get("id"))
        finally:
            self._inside.delivers = False
        self._deliver_all(take_hop())

    def _run_next(self) -> None:
        """Run the next of the tasks that wait for a thread: the oldest of the lowest lane."""
        lane, _, task = self._due.get_nowait()
        with precedence.first() if lane == FIRST else self._of_later_lane():
            self._run(task)

    @contextmanager
    def _of_later_lane(self) -> Iterator[None]:
        precedence.give_way()
        self._prefetch.work_later(1)
        try:
            yield
        finally:
            self._prefetch.work_later(-1)

    def _run(self, task: Callable[[], object]) -> None:
        if self._consumer is not None:
            go_on_here()
        try:
            task()
        finally:
            self._prefetch.take(-1)
            if (left := take_hop()) is not None:
                self._prefetch.hop(1)
                try:
                    self._deliver_all(left)
                finally:
                    self._prefetch.hop(-1)

    def _deliver_all(self, hop: Hop | None) -> None:
        self._inside.delivers = True
        try:
            while hop is not None:
                precedence.give_way()
                offer(hop.handover)
                try:
                    message = hop.message()
                    self._deliver(message.headers, message.properties, message.body)
                except Exception:  # the boundary: nothing reads what a thread of the pool raises
                    log.exception("stage not delivered", task_id=hop.following.id)
                    if hop.handover is None:
                        hop.publish()
                if is_offered():  # its task has not run
                    offer(None)
                    hop.publish()
                hop = take_hop()
        finally:
            self._inside.delivers = False

    def _deliver(self, headers: dict[str, Any], properties: dict[str, Any], body: Any) -> None:
        consumer = self._consumer
        local = LocalMessage(headers, properties, body)
        deliver = consumer.strategies[headers["task"]]
        deliver(local, None, _nothing, _nothing, consumer.on_task_message)


def lane_of(args: Sequence[Any]) -> int:
    """The lane of a task, by what Celery passes of it: its name, its id and its request. Tasks that
    are no stages of jobs are in the middle: they hold nobody up."""
    name, _, request, *_ = args
    if name not in STAGES:
        return CROWDED
    priority = request["delivery_info"]["priority"]
    return FIRST if priority is None else int(priority)


def _nothing(*_: object) -> None:
    """Acknowledge, or reject, what no broker has."""
