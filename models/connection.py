"""How a process connects to PostgreSQL, directly or through a pooler in transaction mode.

`DATABASE_URL` goes to libpq as it is, so that whatever it says is kept; our own parameters only
fill what it leaves out. None of them is a startup parameter that PgBouncer refuses.
"""

from functools import partial
from typing import Any, Final, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from config.process import process_name
from models.sqlstates import is_lost

PARAMETERS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
TIMEOUTS: Final = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s"}


def open_engine(
    url: str, *, parameters: dict[str, int] | None = None, timeout: str | None = None, **pool: Any
) -> Engine:
    """An engine for `DATABASE_URL`; nothing is connected yet.

    Args:
        url: the URL, as the settings give it.
        parameters: libpq's, instead of ours; the URL's own win over both.
        timeout: of each statement (`2s`), instead of 30 s.
        pool: SQLAlchemy's options of the pool.
    """
    said = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
    timeouts = TIMEOUTS | ({"statement_timeout": timeout} if timeout else {})
    options = str(said.get("options", ""))
    own = {name: value for name, value in timeouts.items() if name not in options}
    settings = ", ".join(f"set_config('{name}', '{value}', %s)" for name, value in own.items())
    ours = {**PARAMETERS, "application_name": process_name(), **(parameters or {})}
    connect = partial(_connect, {**ours, **said}, settings)
    engine = create_engine("postgresql+psycopg://", creator=connect, **pool)
    event.listen(engine, "begin", partial(_begin, settings.replace("%s", "true")))
    event.listen(engine, "handle_error", _drop_lost)
    return engine


def _connect(parameters: dict[str, Any], settings: str) -> psycopg.Connection[Any]:
    """Connect, and see whether a pooler stands between: then each transaction may have another
    server process, so that no statement is prepared and no setting outlasts a transaction."""
    connection = psycopg.connect(**parameters, autocommit=True)
    try:
        pid = connection.info.backend_pid
        chosen = "pg_backend_pid()" + (f", {settings}" if settings else "")
        # Of a pooler the client has another number than that of the server process.
        query = chosen.replace("%s", f"pg_backend_pid() <> {pid}")
        row = cast(tuple[Any, ...], connection.execute(f"SELECT {query}").fetchone())
        if row[0] != pid:
            connection.prepare_threshold = None
        connection.autocommit = False
    except psycopg.Error:
        connection.close()
        raise
    return connection


def is_pooled(connection: Connection) -> bool:
    """Whether a pooler stands between this process and the server."""
    driver = cast(psycopg.Connection[Any], connection.connection.dbapi_connection)
    return driver.prepare_threshold is None


def _begin(settings: str, connection: Connection) -> None:
    if settings and is_pooled(connection):
        connection.exec_driver_sql(f"SELECT {settings}")


def _drop_lost(context: ExceptionContext) -> None:
    """Drop this connection and the idle ones with it: the next may find the new primary."""
    if is_lost(getattr(context.original_exception, "sqlstate", None) or ""):
        context.is_disconnect = True
