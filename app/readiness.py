"""Whether what this process leans on is there: each dependency asked, none for long."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, cast

import kombu
import structlog
from redis import Redis
from redis.exceptions import ReadOnlyError, RedisError
from sqlalchemy import NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from app.remembered import Remembered
from config.broker_transport import PROBE_KEY
from config.settings import Settings, get_settings
from models.connection import open_engine
from models.database import current_version, newest_version
from tasks.resilience.states import breaker_states

TIMEOUT_S: Final = 2
FRESH_S: Final = 1.0
STALE_S: Final = 5.0

log = structlog.get_logger(__name__)


def readiness() -> tuple[dict[str, str], dict[str, str]]:
    """The state of each dependency, and of each breaker, as they were a moment ago: whoever asks
    needs no key, so that asking a thousand times must not cost a thousand connections."""
    return _remembered(get_settings())()


@lru_cache(maxsize=1)
def _remembered(settings: Settings) -> Remembered[tuple[dict[str, str], dict[str, str]]]:
    def look() -> tuple[dict[str, str], dict[str, str]]:
        checks = check_all(settings)
        return checks, show_breakers() if checks["redis"] == "ok" else {}

    return Remembered(look, fresh_s=FRESH_S, stale_s=STALE_S)


def check_all(settings: Settings) -> dict[str, str]:
    """The state of each dependency: `ok`, or what is wrong, without where it is."""
    checks = {"database": check_database, "redis": check_redis}
    if settings.broker_url:
        checks["broker"] = check_broker
    with ThreadPoolExecutor(len(checks)) as threads:
        states = {name: threads.submit(check, settings) for name, check in checks.items()}
    return {name: state.result() for name, state in states.items()}


def show_breakers() -> dict[str, str]:
    """The state of each breaker that the fleet shares; none where Redis is away. An open one makes
    nothing unready: its jobs wait, and others go on."""
    try:
        return {breaker.name: breaker.state for breaker in breaker_states()}
    except RedisError:
        return {}


def check_database(settings: Settings) -> str:
    """`ok`, `unavailable`, `read_only` (as after a failover), or `schema_outdated`. On a connection
    of its own: a busy pool is no reason to be taken out of service, and its time-out is short."""
    engine = open_engine(
        settings.database_url.get_secret_value(),
        parameters={"connect_timeout": TIMEOUT_S, "tcp_user_timeout": TIMEOUT_S * 1000},
        timeout=f"{TIMEOUT_S}s",
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            if connection.scalar(text("SHOW transaction_read_only")) == "on":
                log.warning("dependency away", dependency="database", error="it is read-only")
                return "read_only"
            version = current_version(connection)
    except SQLAlchemyError as error:
        return _unavailable("database", error)
    return "ok" if version == newest_version() else "schema_outdated"


def check_redis(settings: Settings) -> str:
    """`ok`, `read_only` (as after a failover), or `unavailable`."""
    return _ask_redis(settings.redis_url.get_secret_value(), "redis")


def check_broker(settings: Settings) -> str:
    """The same of the broker, where it is not REDIS_URL."""
    if settings.broker.startswith("redis"):
        return _ask_redis(settings.broker, "broker")
    connection = cast(Any, kombu).Connection  # kombu has no types
    broker = connection(settings.broker, connect_timeout=TIMEOUT_S)
    try:
        broker.connect()
    except broker.connection_errors as error:
        return _unavailable("broker", error)
    finally:
        broker.release()
    return "ok"


def _ask_redis(url: str, name: str) -> str:
    client = Redis.from_url(
        url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S, retry=None
    )
    try:
        with client:
            client.set(PROBE_KEY, "", ex=1)  # a replica, or one whose memory is full, refuses it
    except ReadOnlyError as error:
        log.warning("dependency away", dependency=name, error=str(error))
        return "read_only"
    except RedisError as error:
        return _unavailable(name, error)
    return "ok"


def _unavailable(name: str, error: Exception) -> str:
    log.warning("dependency away", dependency=name, error=str(error))
    return "unavailable"
