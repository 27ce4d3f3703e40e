"""Where the request that made a job is in a trace"""

from alembic import op

from models.migrations.locks import lock

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock("jobs")
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS traceparent varchar(55)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.execute("ALTER TABLE jobs DROP COLUMN IF EXISTS traceparent")
