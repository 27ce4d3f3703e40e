"""Sign browsers in; keep what operators see of how jobs ended"""

import sqlalchemy as sa
from alembic import op

from models.migrations.locks import lock

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
TOKENS = ("input_tokens", "output_tokens", "tokens_saved")
SCOPES = sa.ARRAY(sa.String(16))


def upgrade() -> None:
    # An interrupted upgrade is repeated, since the index below is built after a commit.
    lock("api_keys", referenced="users")
    op.add_column(
        "api_keys",
        sa.Column("scopes", SCOPES, nullable=False, server_default="{}"),
        if_not_exists=True,
    )
    op.create_table(
        "browser_sessions",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("key_id", sa.String(40)),
        *_what_both_have(),
        sa.Column("created_at", MOMENT, server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_browser_sessions"),
        _to_user("browser_sessions"),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["api_keys.id"],
            name="fk_browser_sessions_key_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("digest", name="uq_browser_sessions_digest"),
        if_not_exists=True,
    )
    _index("browser_sessions", "user_id")
    _index("browser_sessions", "key_id")
    op.create_table(
        "sign_in_links",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        *_what_both_have(),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_links"),
        _to_user("sign_in_links"),
        sa.UniqueConstraint("digest", name="uq_sign_in_links_digest"),
        if_not_exists=True,
    )
    _index("sign_in_links", "user_id")
    op.create_table(
        "job_minutes",
        sa.Column("minute", MOMENT, nullable=False),
        sa.Column("status", sa.String(11), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("jobs", sa.Integer, nullable=False),
        sa.Column("cost_usd", sa.Numeric(14, 6), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in TOKENS),
        sa.PrimaryKeyConstraint("minute", "status", "code", name="pk_job_minutes"),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_jobs_completed_at",
            "jobs",
            ["completed_at"],
            postgresql_where="completed_at IS NOT NULL",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index("ix_jobs_completed_at", table_name="jobs")
    op.drop_table("job_minutes")
    op.drop_table("sign_in_links")
    op.drop_table("browser_sessions")
    op.drop_column("api_keys", "scopes")


def _index(table: str, column: str) -> None:
    op.create_index(f"ix_{table}_{column}", table, [column], if_not_exists=True)


def _what_both_have() -> tuple[sa.Column[list[str]], sa.Column[bytes]]:
    return (
        sa.Column("scopes", SCOPES, nullable=False, server_default="{}"),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
    )


def _to_user(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_user_id"
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=name, ondelete="CASCADE")
