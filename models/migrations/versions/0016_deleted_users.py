"""Delete users, and what is old; process each incoming event once"""

import sqlalchemy as sa
from alembic import op

from models.migrations.locks import lock

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    lock("users")
    op.add_column("users", sa.Column("deleted_at", MOMENT), if_not_exists=True)
    _create_table("deleted_users", "deleted_at")
    _create_table("incoming_events", "received_at")
    with op.get_context().autocommit_block():
        for name, table, key, where in INDEXES:
            op.create_index(
                name,
                table,
                [key],
                postgresql_where=where,
                postgresql_concurrently=True,
                if_not_exists=True,
            )


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table_name=table)
    op.drop_table("incoming_events")
    op.drop_table("deleted_users")
    op.drop_column("users", "deleted_at")


INDEXES = (
    ("ix_users_deleted_at", "users", "deleted_at", "deleted_at IS NOT NULL"),
    ("ix_incoming_events_received_at", "incoming_events", "received_at", None),
    ("ix_broadcasts_kept_job_id", "broadcasts", "kept_job_id", "kept_job_id IS NOT NULL"),
    (
        "ix_jobs_without_conversation",
        "jobs",
        "completed_at",
        "conversation_id IS NULL AND completed_at IS NOT NULL",
    ),
)


def _create_table(name: str, moment: str) -> None:
    """A table of digests and the time of each."""
    op.create_table(
        name,
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column(moment, MOMENT, server_default=sa.func.clock_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=f"pk_{name}"),
        if_not_exists=True,
    )
