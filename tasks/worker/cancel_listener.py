"""Stops the runs of cancelled jobs in this worker."""

from typing import Final

import redis

from config.outages import outages
from config.redis import listener
from config.shutdown import shutting_down
from tasks.daemon_loop import DaemonLoop
from tasks.execution.heartbeat import stop_job
from tasks.jobs.cancel_channel import CHANNEL

NAME: Final = "cancel-listener"
PAUSE_S: Final = 2.0
# Then it looks whether the process shuts down. The process does not wait for it for longer than
# `daemon_loop.JOIN_WITHIN_S`.
READ_S: Final = 5.0


def _listen() -> None:
    """Listen until the process shuts down or the connection fails."""
    try:
        with listener(ignore_subscribe_messages=True) as channel:
            channel.subscribe(CHANNEL)
            while not shutting_down.is_set():
                message = channel.get_message(timeout=READ_S)
                outages.clear("redis", NAME)
                if message:
                    stop_job(str(message["data"]))
    except redis.RedisError as error:
        outages.note("redis", error, watcher=NAME)
        shutting_down.wait(PAUSE_S)


cancel_listener: Final = DaemonLoop(NAME, _listen, lambda: 0)
