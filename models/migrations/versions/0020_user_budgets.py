"""Budgets of single users"""

from alembic import op

from models.migrations.locks import lock

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock("user_limits")
    op.execute("ALTER TABLE user_limits ADD COLUMN IF NOT EXISTS spend_usd numeric(14, 6)")


def downgrade() -> None:
    op.drop_column("user_limits", "spend_usd")
