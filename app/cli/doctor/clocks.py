"""The clocks of this machine, PostgreSQL and Redis."""

import time
from collections.abc import Callable
from typing import Any, Final, cast

from redis.exceptions import RedisError
from sqlalchemy import NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, ok, optional, wrong
from config.redis_servers import open_client
from models.connection import open_engine

TIMEOUT_S: Final = 3
APART_S: Final = 5.0
TO_DO: Final = "synchronize them, for example by systemd-timesyncd or chrony"


def check_clocks(case: Case) -> Finding:
    """At most a few seconds apart: tokens, keys and sessions expire by the web's clock, jobs and
    leases by PostgreSQL's."""
    clocks: dict[str, Callable[[], float]] = {}
    if not case.problem("DATABASE_URL"):
        clocks["PostgreSQL"] = lambda: _of_postgres(case.settings.database_url.get_secret_value())
    if not case.problem("REDIS_URL"):
        clocks["Redis"] = lambda: _of_redis(case.settings.redis_url.get_secret_value())
    ahead = {}
    for name, read in clocks.items():
        try:
            ahead[name] = _ahead(read)
        except (SQLAlchemyError, RedisError, ValueError):  # ValueError: the port is not a number
            continue
    if not ahead:
        return optional("clocks", "not compared: no server answers", "fix the servers first")
    found = ", ".join(f"{name}'s {_said(seconds)}" for name, seconds in ahead.items())
    apart = max(map(abs, ahead.values())) > APART_S
    return wrong("clocks", found, TO_DO) if apart else ok("clocks", found)


def _ahead(read: Callable[[], float]) -> float:
    """How many seconds a clock is ahead of this machine's, to within half of what asking takes."""
    before = time.time()
    there = read()
    return there - (before + time.time()) / 2


def _of_postgres(url: str) -> float:
    engine = open_engine(url, parameters={"connect_timeout": TIMEOUT_S}, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))  # to connect takes longer than to ask
        return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)


def _of_redis(url: str) -> float:
    timeouts = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    with open_client(url, retry=None, **timeouts) as client:
        seconds, microseconds = cast(Any, client.time())
        return float(seconds) + float(microseconds) / 1e6


def _said(seconds: float) -> str:
    if abs(seconds) <= APART_S:
        return "agrees with this machine's"
    return f"is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
