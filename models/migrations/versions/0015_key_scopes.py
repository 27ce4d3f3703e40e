"""Give keys scopes, an expiry and a last use

A key or session without scopes may read and write jobs, as it could before. Until the last process
of the release before has ended, it inserts some without scopes; a trigger adds them. The next
migration drops the triggers.
"""

import sqlalchemy as sa
from alembic import op

from models.migrations.locks import lock

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
SCOPED = ("api_keys", "browser_sessions", "sign_in_links")
USUAL = "{jobs:read,jobs:write}"
FUNCTION = f"""
CREATE OR REPLACE FUNCTION usual_scopes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.scopes := '{USUAL}';
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE TRIGGER usual_scopes BEFORE INSERT ON {table}
    FOR EACH ROW WHEN (NEW.scopes = '{{}}') EXECUTE FUNCTION usual_scopes()
"""


def upgrade() -> None:
    lock(*SCOPED)
    for name, kind in (
        ("expires_at", MOMENT),
        ("last_used_at", MOMENT),
        ("replaced_by", sa.String(40)),
    ):
        op.add_column("api_keys", sa.Column(name, kind))
    op.execute(FUNCTION)
    for table in SCOPED:
        op.alter_column(table, "scopes", server_default=USUAL)
        op.execute(TRIGGER.format(table=table))
        op.execute(f"UPDATE {table} SET scopes = '{USUAL}' WHERE scopes = '{{}}'")  # noqa: S608


def downgrade() -> None:
    for table in SCOPED:
        op.execute(f"DROP TRIGGER IF EXISTS usual_scopes ON {table}")
        op.alter_column(table, "scopes", server_default="{}")
    op.execute("DROP FUNCTION IF EXISTS usual_scopes()")
    for name in ("replaced_by", "last_used_at", "expires_at"):
        op.drop_column("api_keys", name)
