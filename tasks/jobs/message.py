"""The Celery message of a stage, and how it is published.

Celery's own way (`send_task`, `apply_async`) looks up routes, options of the task and settings for
each message, describes the arguments and copies the queue: it takes twice as long. The message is
the same, protocol version 2 of Celery's documentation.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from celery.app.amqp import task_message
from celery.utils.nodenames import anon_nodename
from kombu.exceptions import BatchPublishError, OperationalError

from config.queues import broker_queue
from config.settings import get_settings
from models.jobs import FIRST
from tasks.celery import app


def stage_message(
    task_id: str,
    stage: str,
    args: Sequence[Any],
    chain: list[Any],
    parent_id: str | None = None,
    root_id: str | None = None,
) -> task_message:
    """The message of a stage; `chain` are the signatures of the later ones, the last one first."""
    headers: dict[str, Any] = {
        "lang": "py",
        "task": stage,
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": root_id or task_id,
        "parent_id": parent_id,
        "argsrepr": repr(tuple(args)),
        "kwargsrepr": "{}",
        "origin": _origin(os.getpid()),
        "ignore_result": None,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
        # No others: Celery would look for them in each task.
        "headers": {},
    }
    embedded = {"callbacks": None, "errbacks": None, "chain": chain, "chord": None}
    properties = {"correlation_id": task_id, "reply_to": app.thread_oid}
    return task_message(headers, properties, (args, {}, embedded), None)


def publish(message: task_message, queue: str, lane: int | None = None) -> None:
    """Publish a stage's message, in this lane of the queue. Raises OperationalError."""
    options = {"priority": lane} if lane else {}
    where = broker_queue(queue, lane or FIRST, get_settings().broker)
    with app.producer_or_acquire(_thread.producer) as producer, _losses_named(producer):
        # A queue of Redis is there once it has a message.
        redis = producer.connection.transport.driver_type == "redis"
        declare: list[Any] | None = [] if redis else None
        app.amqp.send_task_message(
            producer, message.headers["task"], message, queue=where, declare=declare, **options
        )


@contextmanager
def together() -> Iterator[None]:
    """Send what this thread publishes meanwhile at the end, in one round trip to Redis. RabbitMQ
    gets it at once. Raises OperationalError; then some of it may have been sent."""
    with app.producer_or_acquire() as producer, _losses_named(producer), producer.batch():
        _thread.producer = producer
        try:
            yield
        finally:
            _thread.producer = None


class _Thread(threading.local):
    """`producer`: what this thread publishes by, if it publishes several messages together."""

    producer: Any = None


_thread: Final = _Thread()


@contextmanager
def _losses_named(producer: Any) -> Iterator[None]:
    """Raise OperationalError for what a broker that is unavailable raises."""
    connection = producer.connection
    lost = (*connection.recoverable_connection_errors, *connection.recoverable_channel_errors)
    try:
        yield
    except OperationalError:
        raise
    except (BatchPublishError, *lost) as error:
        raise OperationalError(str(error)) from error


@lru_cache(maxsize=1)
def _origin(_: int) -> str:
    """This process, as Celery names it."""
    name: str = anon_nodename()
    return name
