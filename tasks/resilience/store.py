"""The fleet's breakers: one hash in Redis with a field for each, changed by one script.

The script is atomic and uses Redis's clock, so only one process opens a circuit or makes its probe.
If Redis loses its data, every breaker is closed.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import redis
import structlog
from redis.commands.core import Script

from config.once import once
from config.outages import outages
from config.redis import redis_client
from tasks.policies import BreakerPolicy

KEY: Final = "trimind:breakers"
# The pause after a failure of Redis.
PAUSE_S: Final = 1.0

log = structlog.get_logger(__name__)

# A field: {failed: [[time, successes before it, user], ...], window, opens, due, token, lease,
# suspect, users: {user: {due, token, lease}}}, times in milliseconds. Without `due` the breaker is
# closed; from `due` on it may be probed, and `token` holds the probe until `lease`. `users` are
# those for whom alone it is open. `suspect` is the user whose probe failed last: a probe of another
# user must fail too before it is reopened for all.
SCRIPT: Final = """
local all, name, verb, token, user = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[9]
local failures, window, reset = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local lease, successes = tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HGET', all, name)
local readable, it = pcall(cjson.decode, kept or '')
if not (readable and type(it) == 'table' and type(it.failed) == 'table'
    and type(it.opens) == 'number') then
  it = {failed = {}, opens = 0}
end
it.users = it.users or {}
local own = it.users[user]
local mine = it.token == token and it or own and own.token == token and own
local event = ''

local function open()
  it.due, it.opens, it.suspect, event = now + reset, it.opens + 1, nil, 'opened'
end

local function block()
  own = {due = now + reset}
  it.users[user], event = own, 'blocked'
end

local function is_too_much()
  local between = 0
  for i = 2, #it.failed do between = between + it.failed[i][2] end
  return #it.failed == failures and between <= failures
end

local function is_this_users_alone()
  for _, each in ipairs(it.failed) do
    if each[3] ~= user then return false end
  end
  return user ~= ''
end

local function count()
  it.window, event = window, 'counted'
  table.insert(it.failed, {now, successes, user})
  while #it.failed > failures or it.failed[1][1] <= now - window do
    table.remove(it.failed, 1)
  end
  if not is_too_much() then return end
  if not is_this_users_alone() then open() elseif not own then block() end
end

local function forget_own()
  local others = {}
  for _, each in ipairs(it.failed) do
    if each[3] ~= user then table.insert(others, each) end
  end
  it.failed, it.users[user], event = others, nil, 'released'
end

local function is_probed(gate) return gate.token and gate.lease > now end

local function probe(gate)
  if gate and gate.due <= now and not is_probed(gate) then
    gate.token, gate.lease, event = token, now + lease, 'probing'
  end
end

if verb == 'fail' and not it.due then
  count()
elseif verb == 'probe' and it.due then
  if not own or own.due <= now then probe(it) end
elseif verb == 'probe' then
  probe(own)
elseif verb == 'renew' and mine then
  mine.lease, event = now + lease, 'renewed'
elseif verb == 'good' and mine == it then
  it.failed, it.users, it.due, it.token, it.suspect, event = {}, {}, nil, nil, nil, 'closed'
elseif verb == 'good' and mine then
  forget_own()
elseif verb == 'bad' and mine == it then
  it.token = nil
  if user == '' or it.suspect and it.suspect ~= user then
    open()
  else
    it.suspect = user
    block()
  end
elseif verb == 'bad' and mine then
  mine.token, event = nil, 'counted'
  if not it.due then count() end
  if not it.due then block() end
elseif verb == 'back' and mine then
  mine.token, event = nil, 'given back'
end

local blocked = {}
for who, gate in pairs(it.users) do
  if gate.due + window < now and not is_probed(gate) then
    it.users[who] = nil
  elseif is_probed(gate) then
    table.insert(blocked, {who, 'half-open', gate.lease - now})
  else
    table.insert(blocked, {who, 'open', math.max(0, gate.due - now)})
  end
end
if event ~= '' then redis.call('HSET', all, name, cjson.encode(it)) end

if not it.due then return {'closed', 0, event, blocked} end
if is_probed(it) then return {'half-open', it.lease - now, event, blocked} end
return {'open', math.max(0, it.due - now), event, blocked}
"""


@dataclass(frozen=True)
class Reply:
    """The script's result.

    Attributes:
        state: the circuit's state for all users.
        rest_s: the seconds until that ends.
        event: what the call changed; empty if nothing.
        blocked: state and seconds for each user for whom alone it is not closed.
    """

    state: str
    rest_s: float
    event: str
    blocked: dict[str, tuple[str, float]]


class BreakerStore:
    """The script's client, which pauses after a failure of Redis."""

    def __init__(self) -> None:
        self._again_at = 0.0

    def ask(
        self,
        verb: str,
        name: str,
        policy: BreakerPolicy,
        *,
        token: str = "",
        successes: int = 0,
        user_id: str = "",
    ) -> Reply | None:
        """Run the script, in one round trip. Return None if Redis is unavailable."""
        if time.monotonic() < self._again_at:
            return None
        numbers = (policy.failures, *map(_ms, (policy.window_s, policy.reset_s, policy.lease_s)))
        try:
            state, rest_ms, event, blocked = _script()(
                keys=[KEY], args=[name, verb, token, *numbers, successes, user_id]
            )
        except redis.RedisError as error:
            self._again_at = time.monotonic() + PAUSE_S
            outages.note("redis", error)
            return None
        return Reply(state, rest_ms / 1000, event, {u: (of, ms / 1000) for u, of, ms in blocked})


breaker_store: Final = BreakerStore()


@dataclass(frozen=True)
class BreakerRecord:
    """A field of the hash as of `now_s`. All times are Unix times by Redis's clock.

    `blocked_users`: the users for whom alone it is open, and when each may probe.
    """

    name: str
    failures: int
    opens: int
    now_s: float
    due_s: float | None
    lease_s: float | None
    blocked_users: dict[str, float]


def read() -> Iterator[BreakerRecord]:
    """Yield every breaker that has recorded a failure, by name. Raises redis.RedisError.

    An unreadable one is skipped; its next failure overwrites it.
    """
    pipeline = client().pipeline(transaction=False)
    pipeline.time()
    pipeline.hgetall(KEY)
    (seconds, micros), fields = pipeline.execute()
    now_s = seconds + micros / 1e6
    for name, text in sorted(fields.items()):
        try:
            yield _kept(name, json.loads(text), now_s)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.error("unreadable breaker skipped", key=KEY, name=name, error=repr(error))


def clear(name: str | None) -> int:
    """Delete one breaker or all, and return how many there were. Raises redis.RedisError."""
    if name is not None:
        return int(client().hdel(KEY, name))
    count = int(client().hlen(KEY))
    client().delete(KEY)
    return count


def client() -> redis.Redis:
    """Return this process's Redis client, created on first use."""
    return redis_client()


def _kept(name: str, field: dict[str, Any], now_s: float) -> BreakerRecord:
    since_ms = now_s * 1000 - field["window"]
    due, lease = field.get("due"), field.get("lease") if field.get("token") else None
    return BreakerRecord(
        name=name,
        failures=sum(1 for at, *_ in field["failed"] if due or at > since_ms),
        opens=field["opens"],
        now_s=now_s,
        due_s=due / 1000 if due else None,
        lease_s=lease / 1000 if lease else None,
        blocked_users={
            user: own["due"] / 1000
            for user, own in (field.get("users") or {}).items()
            if own["due"] + field["window"] > now_s * 1000
        },
    )


def _script() -> Script:
    return _registered(client())


@once
def _registered(of: redis.Redis) -> Script:
    return of.register_script(SCRIPT)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
