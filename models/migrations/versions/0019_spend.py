"""Budgets of users, what models cost, and what jobs have used by day, model and mind"""

import sqlalchemy as sa
from alembic import op

from models.migrations.locks import lock

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
USD = sa.Numeric(14, 6)
NUMBERS = ("jobs", "input_tokens", "output_tokens", "tokens_saved", "paid_duplicates")


def upgrade() -> None:
    lock("jobs", referenced="users")
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS reserved_usd numeric(14, 6)")
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS budget_month date")
    op.create_table(
        "model_prices",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("input_usd", sa.Numeric(20, 12), nullable=False),
        sa.Column("output_usd", sa.Numeric(20, 12), nullable=False),
        sa.Column("context_tokens", sa.Integer, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.clock_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_model_prices"),
        if_not_exists=True,
    )
    op.create_table(
        "spend_months",
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("reserved_usd", USD, server_default="0", nullable=False),
        sa.Column("settled_usd", USD, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("user_id", "month", name="pk_spend_months"),
        _to_user("spend_months"),
        if_not_exists=True,
    )
    op.create_table(
        "usage_days",
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("mind", sa.String(64), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in NUMBERS),
        sa.Column("cost_usd", USD, nullable=False),
        sa.Column("saved_usd", USD, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "day", "model", "mind", name="pk_usage_days"),
        _to_user("usage_days"),
        if_not_exists=True,
    )
    op.create_table(
        "usage_progress",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_progress"),
        if_not_exists=True,
    )
    first = "INSERT INTO usage_progress VALUES (1, '2000-01-01T00:00:00Z') ON CONFLICT DO NOTHING"
    op.execute(first)
    with op.get_context().autocommit_block():
        # One that could not be built is there, but invalid.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_reserved")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_jobs_reserved ON jobs (id) WHERE reserved_usd IS NOT NULL"
        )


def downgrade() -> None:
    op.drop_index("ix_jobs_reserved", table_name="jobs")
    for table in ("usage_progress", "usage_days", "spend_months", "model_prices"):
        op.drop_table(table)
    op.drop_column("jobs", "budget_month")
    op.drop_column("jobs", "reserved_usd")


def _to_user(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_user_id"
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=name, ondelete="CASCADE")
