"""Indexes for the lists of a user's jobs by their status"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_jobs_slots", table_name="jobs", postgresql_where="slot IS NOT NULL")
    op.create_index(
        "ix_jobs_slots", "jobs", ["slot", "user_id"], postgresql_where="slot IS NOT NULL"
    )
    op.create_index(
        "ix_jobs_ended", "jobs", ["user_id", "status", "id"], postgresql_where="slot IS NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_ended", table_name="jobs", postgresql_where="slot IS NULL")
    op.drop_index("ix_jobs_slots", table_name="jobs", postgresql_where="slot IS NOT NULL")
    op.create_index("ix_jobs_slots", "jobs", ["slot"], postgresql_where="slot IS NOT NULL")
