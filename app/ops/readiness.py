"""The state of this process's dependencies, each checked within two seconds."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, cast

import kombu
from redis.exceptions import ReadOnlyError, RedisError
from sqlalchemy import NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from app.ops.reasons import BROKER, DATABASE, REDIS, reason_of
from app.ops.ttl_cache import SingleFlightCache
from config.broker_transport import PROBE_KEY
from config.once import once
from config.outages import outages
from config.process import process_name
from config.redis_servers import open_client
from config.settings import Settings, get_settings
from models.connection import open_engine
from models.schema import current_version, suffices
from tasks.resilience.misconfigured import misconfigured
from tasks.resilience.states import breaker_states

TIMEOUT_S: Final = 2
FRESH_S: Final = 1.0
STALE_S: Final = 5.0
WATCHER: Final = "readyz"


@dataclass(frozen=True)
class State:
    """The state of a server: `ok`, or what is wrong and why, without its address."""

    name: str
    reason: str = ""


@dataclass(frozen=True)
class Readiness:
    """The state of each server and of each breaker that the fleet shares, and for each provider or
    model that refuses service as configured, the variable to check."""

    servers: Mapping[str, State]
    breakers: Mapping[str, str]
    misconfigured: Mapping[str, str]


OK: Final = State("ok")
READ_ONLY: Final = State(
    "read_only", "the server takes no writes: it is a replica, or was demoted by a failover"
)
OUTDATED: Final = State(
    "schema_outdated", "the schema is older than this release: run trimind db upgrade"
)


KNOWN_KEYS: Final = (
    "the issuer of JWTs can't be reached: see the log; its known keys are used for {} more"
)
NO_KEYS: Final = (
    "the issuer of JWTs can't be reached and none of its keys is known: see the log, and check "
    "JWT_ISSUER and JWT_JWKS_URL"
)


class NoWrites(Exception):
    """The server takes no writes: it is a replica, or was demoted by a failover."""


def readiness() -> Readiness:
    """Return the state of everything, up to a second old: this needs no key, so a thousand requests
    must not open a thousand connections."""
    return _cache(get_settings())()


@once
def _cache(settings: Settings) -> SingleFlightCache[Readiness]:
    def check() -> Readiness:
        servers = check_all(settings)
        has_redis = servers["redis"] == OK
        breakers, wrong = (show_breakers(), show_misconfigured()) if has_redis else ({}, {})
        return Readiness(servers, breakers, wrong)

    return SingleFlightCache(check, fresh_s=FRESH_S, stale_s=STALE_S)


def check_all(settings: Settings) -> dict[str, State]:
    """Check each server, all at the same time."""
    checks = {"database": check_database, "redis": check_redis}
    if settings.broker_url:
        checks["broker"] = check_broker
    if settings.jwks_url:
        checks["issuer"] = check_issuer
    with ThreadPoolExecutor(len(checks)) as threads:
        states = {name: threads.submit(check, settings) for name, check in checks.items()}
    return {name: state.result() for name, state in states.items()}


def show_breakers() -> dict[str, str]:
    """Return the state of each breaker that the fleet shares; none without Redis. An open breaker
    does not affect readiness: its jobs wait, others continue."""
    try:
        return {breaker.name: breaker.state for breaker in breaker_states()}
    except RedisError:
        return {}


def show_misconfigured() -> dict[str, str]:
    """Return the providers and models that refuse service as configured, each with its variable."""
    try:
        return {each.name: each.variable for each in misconfigured()}
    except RedisError:
        return {}


def check_database(settings: Settings) -> State:
    """Return `ok`, `unavailable`, `read_only` or `schema_outdated`. Opens its own connection, with
    short timeouts: a busy pool is no reason to be taken out of service."""
    engine = open_engine(
        settings.database_url.get_secret_value(),
        parameters={"connect_timeout": TIMEOUT_S, "tcp_user_timeout": TIMEOUT_S * 1000},
        timeout=f"{TIMEOUT_S}s",
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            if connection.scalar(text("SHOW transaction_read_only")) == "on":
                outages.note("database", NoWrites("it is read-only"), watcher=WATCHER)
                return READ_ONLY
            version = current_version(connection)
    except SQLAlchemyError as error:
        outages.note("database", error, watcher=WATCHER)
        return State("unavailable", reason_of(error, DATABASE, "DATABASE_URL"))
    outages.clear("database", WATCHER)
    return OK if suffices(version) else OUTDATED


def check_redis(settings: Settings) -> State:
    """Return `ok`, `read_only` or `unavailable`."""
    return _ask_redis(settings.redis_url.get_secret_value(), "redis", "REDIS_URL")


def check_broker(settings: Settings) -> State:
    """Return `ok`, `read_only` or `unavailable` for a broker that is not REDIS_URL."""
    if settings.broker.startswith("redis"):
        return _ask_redis(settings.broker, "broker", "BROKER_URL")
    connection = cast(Any, kombu).Connection  # kombu has no types
    broker = connection(settings.broker, connect_timeout=TIMEOUT_S)
    try:
        broker.connect()
    except (*broker.connection_errors, *broker.channel_errors) as error:
        outages.note("broker", error, watcher=WATCHER)
        return State("unavailable", reason_of(error, BROKER, "BROKER_URL"))
    finally:
        broker.release()
    outages.clear("broker", WATCHER)
    return OK


def check_issuer(settings: Settings) -> State:
    """Return `ok`, or `unavailable` for an issuer of JWTs that this process can't reach. Its known
    keys continue to be used, and whoever has an API key needs none."""
    # Imported here: the library takes 20 MB, and many installations have no issuer.
    from app.auth.jwks import issuer_keys

    state = issuer_keys(str(settings.jwks_url)).state(TIMEOUT_S)
    if state.reached:
        return OK
    return State("unavailable", NO_KEYS if state.usable_s == 0 else _known_for(state.usable_s))


def _known_for(seconds: float) -> str:
    minutes = int(seconds // 60)
    return KNOWN_KEYS.format(f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min")


def _ask_redis(url: str, name: str, variable: str) -> State:
    client = open_client(
        url,
        socket_connect_timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        retry=None,
        client_name=process_name(),
    )
    try:
        with client:
            client.set(PROBE_KEY, "", ex=1)  # a replica, or one whose memory is full, refuses it
    except RedisError as error:
        outages.note(name, error, watcher=WATCHER)
        if isinstance(error, ReadOnlyError):
            return READ_ONLY
        return State("unavailable", reason_of(error, REDIS, variable))
    outages.clear(name, WATCHER)
    return OK
