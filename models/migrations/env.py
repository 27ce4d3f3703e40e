"""Alembic's entry: the URL comes from the settings, the tables from `models`."""

from alembic import context

from models import Base
from models.session import get_engine

# Any number that no other program of the same database locks by.
MIGRATION_LOCK = 7_261_946

if context.is_offline_mode():
    raise SystemExit("trimind db upgrade needs a database that can be reached.")

with get_engine().connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        # Two releases at once take turns.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        context.run_migrations()
