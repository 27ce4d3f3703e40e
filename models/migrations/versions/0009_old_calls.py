"""Find old calls by an index"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_open_calls_called_at", "open_calls", ["called_at"])


def downgrade() -> None:
    op.drop_index("ix_open_calls_called_at", table_name="open_calls")
