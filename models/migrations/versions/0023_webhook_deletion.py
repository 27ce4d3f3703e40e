"""Delete webhooks in batches; list their deliveries by status"""

import sqlalchemy as sa
from alembic import op

from models.migrations.locks import lock

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

OUTBOX = "webhook_deliveries"
SIGNING = "url IS NULL AND deleted_at IS NULL"


def upgrade() -> None:
    lock("webhooks")
    op.execute("ALTER TABLE webhooks ADD COLUMN IF NOT EXISTS deleted_at timestamptz")
    with op.get_context().autocommit_block():
        _build("ix_webhooks_deleted_at", "webhooks", ["deleted_at"], "deleted_at IS NOT NULL")
        _build("uq_webhooks_signing", "webhooks", ["user_id"], SIGNING, unique=True)
        _build(f"ix_{OUTBOX}_listing", OUTBOX, ["webhook_id", "status", "event_id"])
        _drop("uq_webhooks_without_url", "webhooks")
        _drop(f"ix_{OUTBOX}_failed", OUTBOX)


def downgrade() -> None:
    op.execute("DELETE FROM webhooks WHERE deleted_at IS NOT NULL")
    with op.get_context().autocommit_block():
        _build(f"ix_{OUTBOX}_failed", OUTBOX, ["webhook_id", "event_id"], "status = 'failed'")
        _build("uq_webhooks_without_url", "webhooks", ["user_id"], "url IS NULL", unique=True)
        _drop(f"ix_{OUTBOX}_listing", OUTBOX)
        _drop("uq_webhooks_signing", "webhooks")
        _drop("ix_webhooks_deleted_at", "webhooks")
    op.drop_column("webhooks", "deleted_at")


def _build(
    name: str, table: str, columns: list[str], where: str | None = None, *, unique: bool = False
) -> None:
    _drop(name, table)  # one that could not be built is there, but invalid
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        postgresql_where=sa.text(where) if where else None,
        postgresql_concurrently=True,
    )


def _drop(name: str, table: str) -> None:
    op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
