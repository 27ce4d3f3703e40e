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

    The lock is polled. A statement that waits for it would have a snapshot, and the release that
    has the lock would wait for its end to build an index concurrently. It can't be of the
    migrations' own transaction: to build an index concurrently, that one is committed.
    """
    guard.execute(text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)"))
    attempt = text(f"SELECT pg_try_advisory_xact_lock({MIGRATION_LOCK})")
    while not guard.scalar(attempt):
        time.sleep(POLL_S)


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
