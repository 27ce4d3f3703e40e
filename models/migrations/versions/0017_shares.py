"""Hold jobs beyond their user's share, and let jobs have a lane

A worker of the release before leaves held jobs as they are: this release's reconciler releases
them. It publishes to the first lane only. An interrupted upgrade can be repeated.
"""

from alembic import op

from models.migrations.locks import lock

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

WHOLE = (
    "slot IS NULL"
    " OR (slot = 'queued' AND queue_lease_until IS NOT NULL)"
    " OR (slot = 'running' AND run_token IS NOT NULL AND lease_until IS NOT NULL)"
    " OR (slot = 'waiting' AND next_attempt_at IS NOT NULL)"
)
HELD = "CREATE INDEX CONCURRENTLY ix_jobs_held ON jobs (user_id, lane, id) WHERE slot = 'held'"


def upgrade() -> None:
    lock("jobs")
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS lane smallint NOT NULL DEFAULT 0")
    _check("lane", "lane IN (0, 3, 6)")
    _check("slot_is_whole", f"{WHOLE} OR slot IN ('blocked', 'held')")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_held")
        op.execute(HELD)


def downgrade() -> None:
    op.execute("DROP INDEX ix_jobs_held")
    op.execute(
        "UPDATE jobs SET slot = 'queued', queue_lease_until = clock_timestamp() WHERE slot = 'held'"
    )
    _check("slot_is_whole", f"{WHOLE} OR slot = 'blocked'")
    op.execute("ALTER TABLE jobs DROP COLUMN lane")


def _check(name: str, condition: str) -> None:
    """Not valid, which spares a scan under the lock: every row is known to meet it."""
    op.execute(f"ALTER TABLE jobs DROP CONSTRAINT IF EXISTS ck_jobs_{name}")
    op.execute(f"ALTER TABLE jobs ADD CONSTRAINT ck_jobs_{name} CHECK ({condition}) NOT VALID")
