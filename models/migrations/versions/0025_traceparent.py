"""Where the request that made a job is in a trace"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Whoever needs a table waits behind a statement that waits to lock it.
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS traceparent varchar(55)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.execute("ALTER TABLE jobs DROP COLUMN IF EXISTS traceparent")
