"""Keep the keys of issuers of JWTs"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issuer_keys",
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.clock_timestamp(),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("url", name="pk_issuer_keys"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("issuer_keys")
