"""Totals of the jobs that have ended, for metrics

What a worker of the release before adds to the usage while the release is replaced is missing from
them.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS job_totals (
            status varchar(11) NOT NULL,
            code varchar(64) NOT NULL,
            priority varchar(11) NOT NULL,
            model varchar(255) NOT NULL,
            jobs bigint NOT NULL,
            input_tokens bigint NOT NULL,
            output_tokens bigint NOT NULL,
            tokens_saved bigint NOT NULL,
            cost_usd numeric(20, 6) NOT NULL,
            saved_usd numeric(20, 6) NOT NULL,
            CONSTRAINT pk_job_totals PRIMARY KEY (status, code, priority, model)
        )
        """
    )


def downgrade() -> None:
    op.drop_table("job_totals")
