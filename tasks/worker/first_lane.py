"""Takes messages of the first lane while a worker takes no others.

A worker that has as many messages as it can work on takes the next one when one of them is done. So
a job of a user with little in flight would wait for others' jobs, though it goes first. This thread
waits for such jobs, and only meanwhile. What it has taken is in its process's memory alone, like
the worker's other messages.
"""

import threading
from collections.abc import Callable, Collection
from typing import Any, Final

import redis
from kombu.exceptions import OperationalError

from config.message_json import encode
from config.outages import outages
from config.shutdown import shutting_down
from models.jobs import FIRST
from tasks.celery import app
from tasks.daemon_loop import DaemonLoop

NAME: Final = "first-lane"
# So many jobs run beyond those that the worker works on.
MOST: Final = 2
READ_S: Final = 1.0

# What the broker has of a message, decoded.
Message = dict[str, Any]


class FirstLane:
    """The thread.

    Args:
        is_full: whether the worker takes no messages now.
        run: starts the task of a message, and calls back when that is done.
    """

    def __init__(
        self, is_full: Callable[[], bool], run: Callable[[Message, Callable[[], None]], None]
    ) -> None:
        self._is_full, self._run = is_full, run
        self._room = threading.BoundedSemaphore(MOST)
        self._connection: Any = None
        self._queues: Collection[str] = ()
        self._loop = DaemonLoop(NAME, self._step, lambda: 0 if is_full() else None)
        self.stop, self.wake = self._loop.stop, self._loop.wake

    def start(self, queues: Collection[str]) -> None:
        """Start it, for the first lanes of these queues."""
        self._queues = queues
        self._loop.start()

    def _step(self) -> None:
        """Wait for a message, a second at most."""
        if not self._is_full() or not self._room.acquire(timeout=READ_S):
            return
        started = False
        try:
            started = self._start_next()
            outages.clear("broker", NAME)
        except (redis.RedisError, OperationalError) as error:
            outages.note("broker", error, watcher=NAME)
            shutting_down.wait(READ_S)
        finally:
            if not started:
                self._room.release()

    def _start_next(self) -> bool:
        if self._connection is None:
            self._connection = app.connection_for_read()
        channel = self._connection.default_channel
        keys = [channel.key_of(queue, FIRST) for queue in self._queues]
        with channel.conn_or_acquire() as client:
            found = client.brpop(keys, READ_S)
            if not found:
                return False
            key, message = found
            if shutting_down.is_set():
                client.rpush(key, encode(message))
                return False
        self._run(message, self._room.release)
        return True
