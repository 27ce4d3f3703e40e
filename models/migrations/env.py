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
