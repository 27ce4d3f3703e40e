"""How often an open call was sent before"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "open_calls",
        sa.Column("retries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "open_calls",
        sa.Column("overtook", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("open_calls", "overtook")
    op.drop_column("open_calls", "retries")
