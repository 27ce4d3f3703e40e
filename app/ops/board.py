"""The state of the installation for operators, read at most once in `FRESH_S` per process."""

from datetime import UTC, datetime, timedelta
from typing import Final

from redis.exceptions import RedisError

from app.ops.ttl_cache import SingleFlightCache
from app.schemas.board import (
    BoardBody,
    BreakerBody,
    LaneBody,
    QueueBody,
    WorkerBody,
    chart,
    failures_of,
    spend_of,
    stage_times_body,
)
from app.schemas.times import timestamp, timestamp_or_none
from config.once import once
from config.outages import outages
from config.settings import get_settings
from models.backlog import LANE_NAMES, Backlog, Queue, backlog, queues
from models.job_minutes import ended_since, ended_today, store_minutes
from models.operations import stage_times
from models.session import unit_of_work
from tasks.resilience.states import BreakerState, breaker_states
from tasks.worker.presence import Presence, present_workers

FRESH_S: Final = 2.0
STALE_S: Final = 10.0
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
MINUTE: Final = timedelta(minutes=1)
QUARTER: Final = timedelta(minutes=15)


@once
def board_cache() -> SingleFlightCache[BoardBody]:
    """The state, up to `FRESH_S` seconds old."""
    return SingleFlightCache(read_board, fresh_s=FRESH_S, stale_s=STALE_S)


def read_board() -> BoardBody:
    """Read the state. Without Redis, there is no breaker and no worker."""
    with unit_of_work() as session:
        store_minutes(session)
    with unit_of_work() as session:
        day = ended_since(session, DAY, QUARTER)
        database = {
            "hour": chart(ended_since(session, HOUR, MINUTE)),
            "day": chart(day),
            "failures": failures_of(day),
            "queues": [_queue(entry) for entry in backlog(session)],
            "lanes": [_lane(entry) for entry in queues(session)],
            "stages": [stage_times_body(times) for times in stage_times(session)],
            "today": spend_of(ended_today(session)),
        }
    return BoardBody(at=timestamp(datetime.now(UTC)), **database, **_of_redis())


def _of_redis() -> dict[str, object]:
    try:
        breakers = [_breaker(state) for state in breaker_states()]
        workers = [_worker(presence) for presence in present_workers()]
    except RedisError as error:
        outages.note("redis", error)
        return {"redis": False, "breakers": [], "workers": [], "flower_url": _flower_url()}
    return {"redis": True, "breakers": breakers, "workers": workers, "flower_url": _flower_url()}


def _flower_url() -> str | None:
    return get_settings().flower_url


def _queue(entry: Backlog) -> QueueBody:
    queue = "cpu" if entry.stage == "compress" else "llm"
    return QueueBody(
        queue=queue,
        slot=entry.slot,
        stage=entry.stage,
        jobs=entry.jobs,
        oldest_s=round(entry.oldest_s, 1),
    )


def _lane(entry: Queue) -> LaneBody:
    return LaneBody(
        queue=entry.queue,
        lane=LANE_NAMES[entry.lane],
        jobs=entry.jobs,
        oldest_s=round(entry.oldest_s, 1),
    )


def _breaker(state: BreakerState) -> BreakerBody:
    return BreakerBody(
        name=state.name,
        state=state.state,
        failures=state.failures,
        probe_at=timestamp_or_none(state.opens_until),
        blocked_users=len(state.blocked_users),
    )


def _worker(presence: Presence) -> WorkerBody:
    return WorkerBody(name=presence.name, seen_s=round(presence.seen_s, 1))
