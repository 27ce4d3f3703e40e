"""Event numbers, options of a job, broadcasts, the slot `behind`, jobs that outlive their thread"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WHOLE = (
    "slot IS NULL"
    " OR (slot = 'queued' AND queue_lease_until IS NOT NULL)"
    " OR (slot = 'running' AND run_token IS NOT NULL AND lease_until IS NOT NULL)"
    " OR (slot = 'waiting' AND next_attempt_at IS NOT NULL)"
)
GONE_WITH = (("conversation_id", "conversations"), ("message_id", "messages"))


def upgrade() -> None:
    op.create_table(
        "broadcasts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("conversation_id", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("kept_job_id", sa.String(length=40), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_broadcasts_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_broadcasts_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_broadcasts_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["kept_job_id"],
            ["jobs.id"],
            name=op.f("fk_broadcasts_kept_job_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
    )
    op.create_index(op.f("ix_broadcasts_message_id"), "broadcasts", ["message_id"])
    op.create_index("ix_broadcasts_listing", "broadcasts", ["user_id", "id"])
    op.add_column(
        "conversations",
        sa.Column("on_busy", sa.String(length=9), server_default="enqueue", nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_conversations_on_busy"),
        "conversations",
        "on_busy IN ('enqueue', 'reject', 'interrupt')",
    )
    _upgrade_jobs()


def _upgrade_jobs() -> None:
    op.add_column("jobs", sa.Column("previous_id", sa.String(length=40), nullable=True))
    op.add_column(
        "jobs",
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "jobs", sa.Column("sequence", sa.BigInteger(), server_default="1", nullable=False)
    )
    op.add_column("jobs", sa.Column("text_base", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("restarts", sa.Integer(), server_default="0", nullable=False))
    # Jobs of earlier versions: the text after the first event, the end after the text.
    op.execute(
        "UPDATE jobs SET text_base = 1, sequence = 2 + length(coalesce(answer, partial, ''))"
    )
    for column, table in GONE_WITH:
        op.alter_column("jobs", column, nullable=True)
        op.drop_constraint(f"fk_jobs_{column}", "jobs", type_="foreignkey")
        op.create_foreign_key(
            f"fk_jobs_{column}", "jobs", table, [column], ["id"], ondelete="SET NULL"
        )
    op.create_foreign_key(
        "fk_jobs_previous_id", "jobs", "jobs", ["previous_id"], ["id"], ondelete="SET NULL"
    )
    op.create_foreign_key(
        "fk_jobs_broadcast_id", "jobs", "broadcasts", ["broadcast_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        op.f("ix_jobs_broadcast_id"),
        "jobs",
        ["broadcast_id"],
        postgresql_where="broadcast_id IS NOT NULL",
    )
    op.create_index(
        op.f("ix_jobs_previous_id"),
        "jobs",
        ["previous_id"],
        postgresql_where="previous_id IS NOT NULL",
    )
    op.create_index(
        "ix_jobs_behind", "jobs", ["conversation_id", "mind"], postgresql_where="slot = 'behind'"
    )
    op.drop_constraint(op.f("ck_jobs_slot_is_whole"), "jobs", type_="check")
    op.create_check_constraint(op.f("ck_jobs_slot_is_whole"), "jobs", f"{WHOLE} OR slot = 'behind'")


def downgrade() -> None:
    """Jobs that are behind another, or whose conversation is gone, have no place in the older
    schema: they have to end, or go, before."""
    op.drop_constraint(op.f("ck_jobs_slot_is_whole"), "jobs", type_="check")
    op.create_check_constraint(op.f("ck_jobs_slot_is_whole"), "jobs", WHOLE)
    for index in ("ix_jobs_behind", "ix_jobs_previous_id", "ix_jobs_broadcast_id"):
        op.drop_index(index, table_name="jobs")
    for column in ("broadcast_id", "previous_id"):
        op.drop_constraint(f"fk_jobs_{column}", "jobs", type_="foreignkey")
    for column, table in GONE_WITH:
        op.drop_constraint(f"fk_jobs_{column}", "jobs", type_="foreignkey")
        op.create_foreign_key(
            f"fk_jobs_{column}", "jobs", table, [column], ["id"], ondelete="CASCADE"
        )
        op.alter_column("jobs", column, nullable=False)
    for column in ("restarts", "text_base", "sequence", "options", "previous_id"):
        op.drop_column("jobs", column)
    op.drop_constraint(op.f("ck_conversations_on_busy"), "conversations", type_="check")
    op.drop_column("conversations", "on_busy")
    op.drop_table("broadcasts")
