"""Alembic's entry: the URL comes from the settings, the tables from `models`."""

import time

from alembic import context
from sqlalchemy import Connection, NullPool, text

from config.settings import get_settings
from models import Base
from models.connection import open_engine

# Any number that no other program of the same database locks by.
MIGRATION_LOCK = 7_261_946
POLL_S = 0.2
# Those of our tables. REINDEX itself, interrupted, leaves one that was to replace another.
INVALID = text(
    """
    SELECT indexrelid::regclass::text, relname ~ '_cc(new|old)[0-9]*$'
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND relkind = 'i' AND indrelid = ANY (
        SELECT to_regclass(each) FROM unnest(CAST(:tables AS text[])) AS each
    )
    """
).bindparams(tables=list(Base.metadata.tables))


def lock(guard: Connection) -> None:
    """Lock the schema until the guard's transaction ends: two releases at once take turns.

    The lock is polled, each time in a transaction of its own. To build an index concurrently, the
    release that has the lock waits for every transaction that had a snapshot, until it ends: one
    that waits for the lock would never end. It can't be of the migrations' own transaction: to
    build an index concurrently, that one is committed.
    """
    no_timeout = text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
    attempt = text(f"SELECT pg_try_advisory_xact_lock({MIGRATION_LOCK})")
    while not guard.scalar(attempt):
        guard.rollback()
        time.sleep(POLL_S)
    guard.execute(no_timeout)


def mend_indexes(connection: Connection) -> None:
    """Build again each index whose concurrent build did not end. It is there, but PostgreSQL does
    not use it, and a migration that is repeated may take it for built."""
    for name, was_to_replace in connection.execute(INVALID).all():
        verb = "DROP INDEX" if was_to_replace else "REINDEX INDEX"
        connection.exec_driver_sql(f"{verb} CONCURRENTLY {name}")


if context.is_offline_mode():
    raise SystemExit("trimind db upgrade needs a database that can be reached.")

# Without a timeout: how long it takes to build an index depends on the table.
engine = open_engine(
    get_settings().database_url.get_secret_value(), timeout="0", poolclass=NullPool
)
with engine.connect() as guard, engine.connect() as connection:
    lock(guard)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.rollback()  # what it has read, for the version
    mend_indexes(connection.execution_options(isolation_level="AUTOCOMMIT"))
