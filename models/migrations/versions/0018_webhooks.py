"""Add webhooks, and the outbox of their events"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from models.migrations.locks import lock

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
OUTBOX = "webhook_deliveries"


def upgrade() -> None:
    lock("jobs", referenced="users")
    op.add_column("jobs", sa.Column("webhook_url", sa.String(2048)))
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("url", sa.String(2048)),
        sa.Column("events", sa.ARRAY(sa.String(32)), nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("previous_secret", sa.LargeBinary),
        sa.Column("previous_until", MOMENT),
        sa.Column("disabled_at", MOMENT),
        sa.Column("disabled_reason", sa.String(16)),
        sa.Column("dispatched_until", MOMENT),
        sa.Column("created_at", MOMENT, server_default=sa.func.clock_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_webhooks_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_webhooks_user_id", "webhooks", ["user_id"])
    op.create_index(
        "uq_webhooks_without_url",
        "webhooks",
        ["user_id"],
        unique=True,
        postgresql_where="url IS NULL",
    )
    _create_outbox()


def _create_outbox() -> None:
    op.create_table(
        OUTBOX,
        sa.Column("webhook_id", sa.String(40), nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("job_id", sa.String(40)),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("url", sa.String(2048)),
        sa.Column("status", sa.String(9), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("next_attempt_at", MOMENT),
        sa.Column("token", sa.Uuid),
        sa.Column("log", JSONB, server_default=sa.text("'[]'"), nullable=False),
        *(
            sa.Column(name, MOMENT, server_default=sa.func.clock_timestamp(), nullable=False)
            for name in ("created_at", "began_at")
        ),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("webhook_id", "event_id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name="fk_webhook_deliveries_webhook_id",
            ondelete="CASCADE",
        ),
    )
    owed = "next_attempt_at IS NOT NULL"
    _index("due", ["next_attempt_at"], owed)
    _index("owed", ["webhook_id", "next_attempt_at"], owed)
    _index("failed", ["webhook_id", "event_id"], "status = 'failed'")
    _index("sending", ["user_id"], "token IS NOT NULL")
    _index("ended", ["ended_at"], "ended_at IS NOT NULL")


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(f"ix_{OUTBOX}_{name}", OUTBOX, columns, postgresql_where=where)


def downgrade() -> None:
    op.drop_table(OUTBOX)
    op.drop_table("webhooks")
    op.drop_column("jobs", "webhook_url")
