"""Limits of single users"""

import sqlalchemy as sa
from alembic import op

from models.migrations.locks import lock

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    lock(referenced="users")
    op.create_table(
        "user_limits",
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("jobs", sa.Integer),
        sa.Column("streams", sa.Integer),
        sa.Column("updated_at", MOMENT, server_default=sa.func.clock_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_limits"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_user_limits_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_user_limits_updated_at", "user_limits", ["updated_at"])


def downgrade() -> None:
    op.drop_table("user_limits")
