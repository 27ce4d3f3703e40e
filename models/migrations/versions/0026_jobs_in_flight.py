"""A user's own share: how many of his jobs may be in flight"""

from alembic import op

from models.migrations.locks import lock

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock("user_limits")
    op.execute("ALTER TABLE user_limits ADD COLUMN IF NOT EXISTS jobs_in_flight integer")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.execute("ALTER TABLE user_limits DROP COLUMN IF EXISTS jobs_in_flight")
