"""Celery's events of tasks, from which Flower knows them: a worker sends them in batches.

Celery sends each by itself, and wakes the worker's main thread for it. Each event has its own time,
so that Flower shows the same either way, half a second later.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from celery import bootsteps
from celery.app import events
from celery.events import EventDispatcher, group_from
from celery.utils.time import utcoffset
from kombu.exceptions import OperationalError

from config.outages import outages
from config.shutdown import shutting_down
from tasks.celery import app

SEND_EVERY_S: Final = 0.5
# While the broker is unavailable: some for each thread, but not without limit.
KEPT: Final = 10_000


class BatchDispatcher(EventDispatcher):  # type: ignore[misc]  # Celery ships no types
    """Celery's dispatcher, with a batch for the groups of events that Celery would buffer too.

    `ask` is called when a batch begins, in any thread: it has `flush` called a little later.
    """

    def __init__(
        self, *args: Any, buffer_group: Any = None, on_send_buffered: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._batched = frozenset(buffer_group or ())
        self._batch: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._asked = False
        self._ask: Callable[[], object] | None = None

    def ask(self, ask: Callable[[], object] | None) -> None:
        """Call this when a batch begins, and now if one has begun; None: the worker stops."""
        self._ask, self._asked = ask, False
        self._begin_batch()

    def send(self, kind: str, *args: Any, **fields: Any) -> None:
        """Send an event, or add it to the batch if its group is batched."""
        group = group_from(kind)
        if group not in self._batched:
            super().send(kind, *args, **fields)
        elif self.enabled and (not self.groups or group in self.groups):
            self._batch.append(self._made(kind, fields))
            if shutting_down.is_set():  # the main thread waits for the tasks, and sends none
                self.flush()
            else:
                self._begin_batch()

    def flush(self, *args: Any, **kwargs: Any) -> None:
        """Send what waits; what the broker does not accept waits for the next time."""
        super().flush(*args, **kwargs)
        self._asked = False  # what comes from now on asks again
        with self.mutex:
            batch = self._taken()
            if not batch:
                return
            try:
                self._publish_batch(batch)
            except (*self.connection.connection_errors, OperationalError) as error:
                outages.note("broker", error)
                self._batch.extend(batch + self._taken())  # the oldest are dropped
        self._begin_batch()

    def extend_buffer(self, other: "BatchDispatcher") -> None:
        """Take over what a dispatcher could not send before its connection was lost."""
        super().extend_buffer(other)
        self._batch.extend(other._batch)

    def _begin_batch(self) -> None:
        if self._batch and self._ask is not None and not self._asked:
            self._asked = True
            self._ask()

    def _made(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        # Flower would parse their text, at each of a task's events.
        if fields.get("kwargs") == "{}":
            fields["kwargs"] = {}
        return {
            "type": kind,
            "timestamp": time.time(),
            "hostname": self.hostname,
            "utcoffset": utcoffset(),
            "pid": self.pid,
            "clock": self.clock.forward(),
            **fields,
        }

    def _taken(self) -> list[dict[str, Any]]:
        if self.producer is None:  # closed: the next dispatcher takes them over
            return []
        return [self._batch.popleft() for _ in range(len(self._batch))]

    def _publish_batch(self, batch: list[dict[str, Any]]) -> None:
        self.producer.publish(
            batch,
            routing_key="task.multi",
            exchange=self.exchange.name,
            declare=[self.exchange],
            serializer=self.serializer,
            headers=self.headers,
            delivery_mode=self.delivery_mode,
        )


class Events(events.Events):  # type: ignore[misc]
    """The application's events, with our dispatcher."""

    dispatcher_cls = BatchDispatcher


class BatchSender(bootsteps.StartStopStep):  # type: ignore[misc]
    """The part of a worker that has its batches sent, the last one at its end."""

    requires = ("celery.worker.consumer.events:Events",)

    def start(self, consumer: Any) -> None:
        """Send a batch a little after it has begun, over the connection that has just been made."""
        dispatcher = consumer.event_dispatcher

        def wait() -> None:
            consumer.timer.call_after(SEND_EVERY_S, dispatcher.flush)

        # The timer is the main thread's.
        dispatcher.ask(lambda: consumer.call_soon(wait))

    def stop(self, consumer: Any) -> None:
        """Wait for a new connection."""
        if consumer.event_dispatcher is not None:
            consumer.event_dispatcher.ask(None)

    def shutdown(self, consumer: Any) -> None:
        """Send what the last tasks have left."""
        if consumer.event_dispatcher is not None:
            consumer.event_dispatcher.flush()


def send_in_batches() -> None:
    """Have the workers of this process send their task events in batches."""
    app.events_cls = Events
    app.steps["consumer"].add(BatchSender)
