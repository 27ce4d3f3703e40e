"""Count what users without a budget spend too

A worker of the release before does not count it: what it adds to the usage while the release is
replaced is missing from the month.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Of whom there is a row already, it has been counted.
SPENT = """
INSERT INTO spend_months (user_id, month, settled_usd)
SELECT user_id, date_trunc('month', day)::date AS first, sum(cost_usd)
FROM usage_days
WHERE day >= date_trunc('month', timezone('UTC', now()))
GROUP BY user_id, first
HAVING sum(cost_usd) > 0
ORDER BY user_id, first
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute(SPENT)


def downgrade() -> None:
    """A row of a user without a budget does no harm: the release before has them too."""
