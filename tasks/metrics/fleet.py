"""Adds what this process has counted to the sums of the fleet in Redis, and reads them.

A process adds its increments every few seconds, by one script. Redis keeps sums alone, so any
process can show those of all hosts. While Redis is unavailable, increments are kept here; if Redis
loses its data, the sums begin at 0 again, as those of a restarted process would. What a process
counts in the last seconds before it is killed is lost.
"""

import atexit
import json
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import uuid4

import redis
from redis.commands.core import Script

from config.once import once
from config.outages import outages
from config.process import process_kind
from config.redis import redis_client
from tasks.daemon_loop import DaemonLoop
from tasks.metrics.counts import Series, take_counts
from tasks.metrics.gauges import follow_pools, read_gauges
from tasks.worker.turn import key_of_installation

EVERY_S: Final = 5.0
GONE_AFTER_S: Final = 15
WATCHER: Final = "metrics"

# A batch whose reply was lost is sent again under its number, and added once. The time is Redis's,
# since the hosts' clocks may differ.
ADD: Final = """
local sums, alive, own = KEYS[1], KEYS[2], KEYS[3]
local id, batch, gone_after, state = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local now = tonumber(redis.call('TIME')[1])
local last = redis.call('HGET', own, 'batch')
redis.call('HSET', own, 'batch', batch, 'state', state)
redis.call('EXPIRE', own, 3600)
redis.call('ZADD', alive, now, id)
redis.call('ZREMRANGEBYSCORE', alive, '-inf', now - gone_after)
if last ~= batch then
  for i = 5, #ARGV, 2 do redis.call('HINCRBYFLOAT', sums, ARGV[i], ARGV[i + 1]) end
end
return 1
"""


@dataclass(frozen=True)
class ProcessState:
    """A live process: its kind, as in the Procfile, and its gauges."""

    kind: str
    gauges: dict[Series, float]


@dataclass(frozen=True)
class FleetCounts:
    """What all processes have counted, and those that are alive."""

    sums: dict[Series, float]
    processes: list[ProcessState]


class Reporter:
    """Adds this process's increments to the fleet's. Thread-safe."""

    def __init__(self) -> None:
        self._id = str(uuid4())
        self._lock = threading.Lock()
        self._number = 0
        self._batch: dict[Series, float] = {}

    def report(self) -> None:
        """Add what was counted. Raises redis.RedisError; then it is kept for the next time."""
        with self._lock:
            if self._batch:
                self._send()
            self._number, self._batch = self._number + 1, take_counts()
            self._send()
            self._batch = {}

    def leave(self) -> None:
        """Add what was counted last; the process is not alive from now on."""
        self.report()
        redis_client().zrem(_keys(self._id)[1], self._id)

    def _send(self) -> None:
        state = {"kind": process_kind() or "other", "gauges": _as_fields(read_gauges())}
        amounts: list[Any] = []
        for field, by in _as_fields(self._batch).items():
            amounts += (field, by)
        _script()(
            keys=_keys(self._id),
            args=[self._id, self._number, GONE_AFTER_S, json.dumps(state), *amounts],
            client=redis_client(),
        )


@once
def reporter() -> Reporter:
    """The reporter of this process. No process forks after its first report."""
    return Reporter()


@once
def _script() -> Script:
    return redis_client().register_script(ADD)


def report() -> None:
    """Report, best effort."""
    try:
        reporter().report()
    except redis.RedisError as error:
        outages.note("redis", error, watcher=WATCHER)
        return
    outages.clear("redis", WATCHER)


def report_last() -> None:
    """Report for the last time, at the end of this process. Best effort."""
    try:
        reporter().leave()
    except redis.RedisError as error:
        outages.note("redis", error, watcher=WATCHER)


def start_reporting() -> None:
    """Report every few seconds from now on, and once more when the process ends."""
    if _started.is_set():
        return
    _started.set()
    follow_pools()
    atexit.register(report_last)
    _reporting.start()


def _interval() -> float:
    return EVERY_S * random.uniform(0.8, 1)  # noqa: S311 (jitter)


_started: Final = threading.Event()
_reporting: Final = DaemonLoop("metrics", report, _interval)


def fleet_counts() -> FleetCounts:
    """What the fleet has counted. Raises redis.RedisError."""
    client, (sums, alive, _) = redis_client(), _keys("")
    found = cast(dict[str, str], client.hgetall(sums))
    ids = cast(list[str], client.zrange(alive, 0, -1))
    with client.pipeline(transaction=False) as pipeline:
        for each in ids:
            pipeline.hget(_keys(each)[2], "state")
        states = pipeline.execute()
    return FleetCounts(_from_fields(found), [_state(json.loads(each)) for each in states if each])


def _state(state: Mapping[str, Any]) -> ProcessState:
    return ProcessState(state["kind"], _from_fields(state["gauges"]))


def _keys(process: str) -> tuple[str, str, str]:
    """The sums, the live processes, and what this process says; in one slot of a Redis cluster."""
    key = f"{{{key_of_installation('metrics')}}}"
    return f"{key}:sums", f"{key}:alive", f"{key}:of:{process}"


def _as_fields(values: Mapping[Series, float]) -> dict[str, float]:
    return {json.dumps(series): value for series, value in values.items()}


def _from_fields(fields: Mapping[str, Any]) -> dict[Series, float]:
    return {tuple(json.loads(field)): float(value) for field, value in fields.items()}
