"""Whether PostgreSQL and Redis allow the connections that one of each process needs."""

from typing import Any, Final, cast

from redis.exceptions import RedisError
from sqlalchemy import NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, ok, optional, wrong
from config.redis_servers import open_client
from config.settings import Settings
from models.connection import open_engine

TIMEOUT_S: Final = 3
# As docs/deploying.md says; a test counts them under load.
REDIS_AT_LEAST: Final = 20
# What the server allows this user in this database: its own limit, less what it keeps for others,
# and the limits of the role and of the database (-1: none).
ALLOWED: Final = text("""
    SELECT least(
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    )
""")


def check_connections(case: Case) -> Finding:
    """Enough for one of each process, with DATABASE_POOL and REDIS_POOL as they are set here."""
    if case.problem("DATABASE_URL", "REDIS_URL"):
        return optional("connections", "not counted: settings are invalid", "fix them first")
    try:
        found = {
            "PostgreSQL": (_postgres_allows(case.settings), postgres_needed(case.settings)),
            "Redis": (_redis_allows(case.settings), REDIS_AT_LEAST),
        }
    except (SQLAlchemyError, RedisError, ValueError):  # ValueError: the port is not a number
        return optional("connections", "not counted: a server does not answer", "fix it first")
    said = ", ".join(
        f"{name} allows {allowed}, one of each process takes up to {needed}"
        for name, (allowed, needed) in found.items()
    )
    few = [name for name, (allowed, needed) in found.items() if allowed < needed]
    if not few:
        return ok("connections", said)
    pools = {"PostgreSQL": "DATABASE_POOL", "Redis": "REDIS_POOL (3)"}
    lower = " and ".join(pools[name] for name in few)
    return wrong("connections", said, f"lower {lower}, or raise the limit of {', '.join(few)}")


def postgres_needed(settings: Settings) -> int:
    """The connections that one of each process of the Procfile opens at most, but the release."""
    pools = settings.web_concurrency + settings.worker_processes + settings.cpu_workers + 1
    return pools * settings.database_pool + settings.web_concurrency  # one more for /readyz


def _postgres_allows(settings: Settings) -> int:
    url = settings.database_url.get_secret_value()
    engine = open_engine(url, parameters={"connect_timeout": TIMEOUT_S}, poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.scalar(ALLOWED) or 0)


def _redis_allows(settings: Settings) -> int:
    url = settings.redis_url.get_secret_value()
    timeouts = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    with open_client(url, retry=None, **timeouts) as client:
        clients = cast(dict[str, Any], client.info("clients"))
    return int(clients.get("maxclients", 10_000))  # Redis 6 does not say; its default
