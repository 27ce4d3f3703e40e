"""Hears, in a worker, which jobs are not wanted any more."""

import threading
from typing import Final

import redis
import structlog

from config.outages import outages
from config.redis import listening_client
from config.shutdown import shutting_down
from tasks.execution.heartbeat import stop_job
from tasks.jobs.cancel_channel import CHANNEL

PAUSE_S: Final = 2.0

log = structlog.get_logger(__name__)


class StopListener(threading.Thread):
    """Listens in a worker, and stops the runs of the jobs that are named."""

    def __init__(self) -> None:
        super().__init__(name="stop-listener", daemon=True)

    def run(self) -> None:
        while not shutting_down.is_set():
            try:
                self._listen()
            except redis.RedisError as error:
                outages.note("redis", error, watcher=self.name)
                shutting_down.wait(PAUSE_S)
            except Exception:  # the seam: without this thread no cancel is heard of
                log.exception("stop listener failed")
                shutting_down.wait(PAUSE_S)

    def _listen(self) -> None:
        with listening_client().pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(CHANNEL)
            while not shutting_down.is_set():
                message = channel.get_message(timeout=1)
                outages.clear("redis", self.name)
                if message:
                    stop_job(str(message["data"]))
