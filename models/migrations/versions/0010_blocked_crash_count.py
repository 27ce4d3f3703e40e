"""Call the slot `blocked` and the column `crash_count`, and go on serving the release before

Until the last process of that release has ended, it writes and reads the old names. What it does
then, triggers translate; what it leaves undone, this release's reconciler does. The next migration
drops the triggers and the column `deaths`.
"""

from collections.abc import Mapping

from alembic import op
from sqlalchemy import column, table, text, update

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WHOLE = (
    "slot IS NULL"
    " OR (slot = 'queued' AND queue_lease_until IS NOT NULL)"
    " OR (slot = 'running' AND run_token IS NOT NULL AND lease_until IS NOT NULL)"
    " OR (slot = 'waiting' AND next_attempt_at IS NOT NULL)"
)
JOBS = table("jobs", column("slot"))
LABELS = {"dead": "crashed", "forgotten": "stranded", "emptied": "broker_emptied"}

# The release before would pass over the jobs that are blocked, and change the order of their track.
BLOCKED = (
    """
    CREATE FUNCTION jobs_slot_blocked() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.slot := 'blocked';
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER slot_blocked BEFORE INSERT ON jobs
        FOR EACH ROW WHEN (NEW.slot = 'behind') EXECUTE FUNCTION jobs_slot_blocked()
    """,
)
# After the update: a BEFORE UPDATE trigger locks the row once more, whatever its WHEN says.
CRASH_COUNT = (
    """
    CREATE FUNCTION jobs_crash_count() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        counted integer := NEW.crash_count;
    BEGIN
        IF NEW.deaths <> OLD.deaths THEN
            counted := NEW.deaths;
        END IF;
        UPDATE jobs SET crash_count = counted, deaths = counted WHERE id = NEW.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER crash_count AFTER UPDATE ON jobs
        FOR EACH ROW WHEN (NEW.deaths <> NEW.crash_count) EXECUTE FUNCTION jobs_crash_count()
    """,
)
CASES = " ".join(f"WHEN '{old}' THEN '{new}'" for old, new in LABELS.items())
RELABELED = (
    f"""
    CREATE FUNCTION counters_relabeled() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.label := CASE NEW.label {CASES} END;
        RETURN NEW;
    END $$
    """,
    f"""
    CREATE TRIGGER relabeled BEFORE INSERT ON counters
        FOR EACH ROW WHEN (NEW.name = 'reconciled' AND NEW.label IN {tuple(LABELS)})
        EXECUTE FUNCTION counters_relabeled()
    """,
)


def upgrade() -> None:
    # The strongest lock comes first, so that no lock has to become a stronger one.
    op.execute("ALTER TABLE jobs RENAME COLUMN deaths TO crash_count")
    op.execute("ALTER TABLE jobs ALTER COLUMN crash_count SET DEFAULT 0")
    op.execute("ALTER TABLE jobs ADD COLUMN deaths integer NOT NULL DEFAULT 0")
    op.execute("UPDATE jobs SET deaths = crash_count WHERE slot IS NOT NULL AND crash_count > 0")
    _move("behind", "blocked")
    for function, trigger in (BLOCKED, CRASH_COUNT, RELABELED):
        op.execute(function)
        op.execute(trigger)
    _relabel(LABELS)


def downgrade() -> None:
    op.execute("DROP TRIGGER slot_blocked ON jobs")
    op.execute("DROP TRIGGER crash_count ON jobs")
    op.execute("DROP TRIGGER relabeled ON counters")
    for function in ("jobs_slot_blocked", "jobs_crash_count", "counters_relabeled"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_column("jobs", "deaths")
    op.execute("ALTER TABLE jobs RENAME COLUMN crash_count TO deaths")
    op.execute("ALTER TABLE jobs ALTER COLUMN deaths DROP DEFAULT")
    _move("blocked", "behind")
    _relabel({new: old for old, new in LABELS.items()})


def _move(old: str, new: str) -> None:
    """Rename a slot, and the index of the jobs that are in it."""
    op.drop_index(f"ix_jobs_{old}", table_name="jobs", postgresql_where=f"slot = '{old}'")
    op.drop_constraint(op.f("ck_jobs_slot_is_whole"), "jobs", type_="check")
    op.execute(update(JOBS).where(JOBS.c.slot == old).values(slot=new))
    # Not valid, which spares a scan under the lock: every row was checked by the constraint before.
    op.create_check_constraint(
        op.f("ck_jobs_slot_is_whole"),
        "jobs",
        f"{WHOLE} OR slot = '{new}'",
        postgresql_not_valid=True,
    )
    op.create_index(
        f"ix_jobs_{new}",
        "jobs",
        ["conversation_id", "mind"],
        postgresql_where=f"slot = '{new}'",
    )


def _relabel(labels: Mapping[str, str]) -> None:
    add = text(
        """
        INSERT INTO counters (name, label, value)
            SELECT name, :new, value FROM counters WHERE name = 'reconciled' AND label = :old
        ON CONFLICT (name, label) DO UPDATE SET value = counters.value + excluded.value
        """
    )
    remove = text("DELETE FROM counters WHERE name = 'reconciled' AND label = :old")
    for old, new in labels.items():
        op.execute(add.bindparams(old=old, new=new))
        op.execute(remove.bindparams(old=old))
