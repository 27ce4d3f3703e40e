"""How many streams and waits one user may have open, at all web processes together.

Each process notes in Redis how many a user has open there. One lease for each process, which one
thread renews, says whether its figures still hold: those of a process that was killed expire. While
Redis is unavailable, each process counts its own alone.
"""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from uuid import uuid4

import redis

from config.once import once
from config.outages import outages
from config.redis import redis_client
from tasks.daemon_loop import DaemonLoop

NAME: Final = "streams"
LEASE_S: Final = 6.0
RENEW_EVERY_S: Final = 2.0
# A user's figures are forgotten after an hour without a change, so all are noted again before.
KEPT_S: Final = 3600
NOTE_ALL_EVERY_S: Final = 600.0
# Within that after a failure Redis is not asked: each call might take half a second.
REDIS_UNAVAILABLE_S: Final = 5.0
# In braces, so that a cluster keeps them together.
LEASES: Final = "{trimind:streams}:processes"
OF_USER: Final = "{trimind:streams}:of:"

# A figure is `count:version`. Figures may arrive in another order than they were made: the newest
# stays. The first script refuses (0) a figure that exceeds the most, together with those of the
# processes whose leases hold, and else notes it (1); one of 0 is noted as no figure.
NOTE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local process, count, version = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most, lease, kept = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if most > 0 then
    local sum, figures = count, redis.call('HGETALL', KEYS[2])
    for i = 1, #figures, 2 do
        if figures[i] ~= process then
            local ends = tonumber(redis.call('ZSCORE', KEYS[1], figures[i]) or 0)
            if ends > now then
                sum = sum + tonumber(string.match(figures[i + 1], '^%d+'))
            else
                redis.call('HDEL', KEYS[2], figures[i])
            end
        end
    end
    if sum > most then return 0 end
    redis.call('ZADD', KEYS[1], now + lease, process)
end
local known = redis.call('HGET', KEYS[2], process)
if not known or tonumber(string.match(known, '%d+$')) <= version then
    if count > 0 then
        redis.call('HSET', KEYS[2], process, count .. ':' .. version)
        redis.call('EXPIRE', KEYS[2], kept)
    else
        redis.call('HDEL', KEYS[2], process)
    end
end
return 1
"""
# Returns 1 if the lease had ended: other processes may have dropped the figures.
RENEW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
return ends > now and 0 or 1
"""


@dataclass(frozen=True, slots=True)
class _Figure:
    """How many streams of a user are open at this process."""

    count: int
    version: int


class SharedStreams:
    """The streams of users with a limit that are open at this process. Thread-safe.

    Opening one is a round trip; closing one is noted by the thread, a moment later.

    Args:
        client: the Redis that all processes share.
        lease_s: for how long the figures of a process that was killed still count.
    """

    def __init__(self, client: redis.Redis, lease_s: float = LEASE_S) -> None:
        self._process, self._lease_ms = uuid4().hex, int(lease_s * 1000)
        self._client = client
        self._note, self._renew = client.register_script(NOTE), client.register_script(RENEW)
        self._lock = Lock()
        # One at a time: else each would count those that are about to be refused.
        self._opening = Lock()
        self._open: dict[str, _Figure] = {}
        self._changed: set[str] = set()
        self._version = 0
        self._unavailable_until, self._all_noted_at = 0.0, time.monotonic()
        self._loop = DaemonLoop(NAME, self.renew, self._interval)

    def open(self, user_id: str, most: int) -> bool:
        """Count a stream of a user who may have `most` open. False: it is one too many."""
        with self._opening:
            return self._open_next(user_id, most)

    def _open_next(self, user_id: str, most: int) -> bool:
        with self._lock:
            idle = not self._open
            figure = self._change(user_id, 1)
        self._loop.start()
        if idle:
            self._loop.wake()
        if time.monotonic() >= self._unavailable_until:
            try:
                fits = self._fits(user_id, figure, most)
            except redis.RedisError as error:
                outages.note("redis", error, watcher=NAME)
                self._unavailable_until = time.monotonic() + REDIS_UNAVAILABLE_S
            else:
                if not fits:
                    self.close(user_id)
                return fits
        with self._lock:  # noted once Redis answers again
            self._changed.add(user_id)
        return True

    def close(self, user_id: str) -> None:
        """Count a stream no longer. Takes no time."""
        with self._lock:
            self._change(user_id, -1)
            self._changed.add(user_id)
        self._loop.wake()

    def renew(self) -> None:
        """Renew the lease, and note what has changed. Raises redis.RedisError."""
        lapsed = bool(self._renew(keys=[LEASES], args=[self._process, self._lease_ms]))
        with self._lock:
            if lapsed or time.monotonic() - self._all_noted_at > NOTE_ALL_EVERY_S:
                self._changed |= self._open.keys()
                self._all_noted_at = time.monotonic()
            changed, self._changed = self._changed, set()
        try:
            self._note_all(changed)
        except redis.RedisError:
            with self._lock:
                self._changed |= changed
            raise
        outages.clear("redis", NAME)

    def _fits(self, user_id: str, figure: _Figure, most: int) -> bool:
        return bool(self._noted(user_id, figure, most))

    def _note_all(self, users: set[str]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for user_id in users:
                with self._lock:
                    figure = self._open.get(user_id) or _Figure(0, self._version)
                self._noted(user_id, figure, 0, pipe)
            pipe.execute()

    def _noted(
        self, user_id: str, figure: _Figure, most: int, client: redis.Redis | None = None
    ) -> Any:
        args: list[str | int] = [self._process, figure.count, figure.version]
        args += [most, self._lease_ms, KEPT_S]
        return self._note(keys=[LEASES, OF_USER + user_id], args=args, client=client)

    def _change(self, user_id: str, by: int) -> _Figure:
        """The caller holds the lock."""
        self._version += 1
        known = self._open.get(user_id)
        figure = _Figure((known.count if known else 0) + by, self._version)
        if figure.count:
            self._open[user_id] = figure
        else:
            del self._open[user_id]
        return figure

    def _interval(self) -> float | None:
        """Without an open stream there is no lease to renew."""
        return RENEW_EVERY_S if self._open or self._changed else None


@once
def shared_streams() -> SharedStreams:
    """The streams that are open at this process."""
    return SharedStreams(redis_client())
