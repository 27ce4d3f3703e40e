"""How a process connects to PostgreSQL, directly or through a pooler in transaction mode.

`DATABASE_URL` is passed to libpq unchanged; our own parameters apply only where it has none. None
of them is a startup parameter, which PgBouncer would refuse.
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
# A transaction waits for nothing but its next statement. One that is idle for so long is of a host
# that was cut off, which gives the connection up too (`tcp_user_timeout`). Its locks must not
# outlast its leases: meanwhile no other worker can give up its runs.
TIMEOUTS: Final = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "15s"}
# A plan is kept until its tables are analyzed, that of a foreign key's check too: made when a table
# was nearly empty, it reads all of it, however large it has become since. A plan that still has to
# read a whole table would seem so dear that it would be compiled (`jit`), which takes longer.
PLANS: Final = {"enable_seqscan": "off", "jit": "off"}


def open_engine(
    url: str, *, parameters: dict[str, int] | None = None, timeout: str | None = None, **pool: Any
) -> Engine:
    """Create an engine for `DATABASE_URL`, without connecting.

    Args:
        url: the URL from the settings.
        parameters: libpq parameters that replace ours; those in the URL take precedence.
        timeout: the statement timeout (`2s`), 30 s by default.
        pool: SQLAlchemy's pool options.
    """
    said = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
    wanted = TIMEOUTS | PLANS | ({"statement_timeout": timeout} if timeout else {})
    options = str(said.get("options", ""))
    own = {name: value for name, value in wanted.items() if name not in options}
    settings = ", ".join(f"set_config('{name}', '{value}', %s)" for name, value in own.items())
    ours = {**PARAMETERS, "application_name": process_name(), **(parameters or {})}
    connect = partial(_connect, {**ours, **said}, settings)
    engine = create_engine("postgresql+psycopg://", creator=connect, **pool)
    event.listen(engine, "begin", partial(_begin, settings.replace("%s", "true")))
    event.listen(engine, "handle_error", _drop_lost)
    return engine


def _connect(parameters: dict[str, Any], settings: str) -> psycopg.Connection[Any]:
    """Connect, and detect a pooler. Behind one, each transaction may use another server process, so
    no statement is prepared and no setting outlives a transaction."""
    connection = psycopg.connect(**parameters, autocommit=True)
    try:
        pid = connection.info.backend_pid
        chosen = "pg_backend_pid()" + (f", {settings}" if settings else "")
        # A pooler reports another process id than the server's own.
        query = chosen.replace("%s", f"pg_backend_pid() <> {pid}")
        row = cast(tuple[Any, ...], connection.execute(f"SELECT {query}").fetchone())
        if row[0] != pid:
            connection.prepare_threshold = None
        connection.autocommit = False
    except psycopg.Error:
        connection.close()
        raise
    return connection


def is_pooled(driver: psycopg.Connection[Any]) -> bool:
    """Whether a connection is one through a pooler."""
    return driver.prepare_threshold is None


def _begin(settings: str, connection: Connection) -> None:
    driver = cast(psycopg.Connection[Any], connection.connection.dbapi_connection)
    if settings and is_pooled(driver):
        connection.exec_driver_sql(f"SELECT {settings}")


def _drop_lost(context: ExceptionContext) -> None:
    """Drop this connection and all idle ones; a new one may reach the new primary."""
    if is_lost(getattr(context.original_exception, "sqlstate", None) or ""):
        context.is_disconnect = True
