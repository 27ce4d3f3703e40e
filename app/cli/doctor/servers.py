"""PostgreSQL, Redis and the broker: set, reachable and configured correctly."""

import time
from collections.abc import Mapping
from typing import Any, Final, cast

import kombu
from redis.exceptions import RedisError
from sqlalchemy import Engine, NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, wrong
from config.database_url import place_of
from config.logging import mask
from config.redis_servers import open_client
from models.connection import open_engine
from models.schema import current_version, newest_version, suffices

TIMEOUT_S: Final = 3
STARTED_WITHIN_S: Final = 5
PERSIST: Final = (
    "set appendonly to yes: after a restart every queued job waits until it is dispatched again"
)
OR_UP: Final = "; or `trimind up`, which starts one"


def check_postgres(case: Case) -> Finding:
    """Reachable, and its schema is this version's."""
    if problem := case.problem("DATABASE_URL"):
        return missing("postgresql", problem, f"set DATABASE_URL{OR_UP}")
    url = case.settings.database_url.get_secret_value()
    try:
        return _schema(
            open_engine(url, parameters={"connect_timeout": TIMEOUT_S}, poolclass=NullPool)
        )
    except (SQLAlchemyError, ValueError) as error:  # ValueError: the port is not a number
        reason = " ".join(str(getattr(error, "orig", error)).split())
        found = f"{place_of(url)}: {mask(reason)}"
        return missing("postgresql", found, f"start it, or fix DATABASE_URL{OR_UP}")


def _schema(engine: Engine) -> Finding:
    with engine.connect() as connection:
        server = connection.scalar(text("SHOW server_version"))
        schema = current_version(connection)
        read_only = connection.scalar(text("SHOW transaction_read_only")) == "on"
    found = f"{server}, reachable, schema {schema or 'none'}"
    if read_only:
        return missing("postgresql", f"{found}, but read-only", "set DATABASE_URL to the primary")
    if suffices(schema):
        return ok("postgresql", found)
    return missing("postgresql", f"{found}, needed {newest_version()}", "run `trimind db upgrade`")


def check_redis(case: Case) -> Finding:
    """Reachable, and configured not to evict keys."""
    if problem := case.problem("REDIS_URL"):
        return missing("redis", problem, f"set REDIS_URL{OR_UP}")
    return _redis("redis", case.settings.redis_url.get_secret_value(), "REDIS_URL")


def check_broker(case: Case) -> Finding:
    """Celery's broker."""
    if problem := case.problem("BROKER_URL", "REDIS_URL"):
        return missing("broker", problem, "set BROKER_URL, or REDIS_URL to use Redis as the broker")
    if case.settings.broker_url is None:
        return ok("broker", "REDIS_URL is used")
    url = case.settings.broker
    return _redis("broker", url, "BROKER_URL") if url.startswith("redis") else _amqp(url)


def _redis(name: str, url: str, variable: str) -> Finding:
    timeouts = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    try:
        with open_client(url, retry=None, **timeouts) as client:
            about: dict[str, Any] = client.info()
    except (RedisError, ValueError) as error:  # ValueError: the port is not a number
        return missing(name, f"{mask(url)}: {error}", f"start it, or fix {variable}{OR_UP}")
    kind = about.get("server_name", "redis")
    found = f"{kind} {about.get(f'{kind}_version') or about.get('redis_version')}, reachable"
    policy = about.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        advice = f"set maxmemory-policy to noeviction: {policy} may drop messages"
        return wrong(name, f"{found}, maxmemory-policy {policy}", advice)
    if not (about.get("aof_enabled") or _saves(about)):
        return ok(name, f"{found}, without persistence", PERSIST)
    return ok(name, found)


def _saves(about: Mapping[str, Any]) -> bool:
    """Whether Redis has written a snapshot since it started, or is about to."""
    return bool(about.get("rdb_bgsave_in_progress")) or (
        int(about.get("rdb_last_save_time", 0))
        > time.time() - int(about.get("uptime_in_seconds", 0)) + STARTED_WITHIN_S
    )


def _amqp(url: str) -> Finding:
    broker = cast(Any, kombu).Connection(url, connect_timeout=TIMEOUT_S)  # kombu has no types
    try:
        broker.connect()
    except (*broker.connection_errors, *broker.channel_errors) as error:
        return missing("broker", f"{mask(url)}: {error}", "start it, or fix BROKER_URL")
    finally:
        broker.release()
    return ok("broker", f"{broker.as_uri()}, reachable")
