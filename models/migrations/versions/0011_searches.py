"""Searches by an index of owners and trigrams; a conversation's jobs in order

Nothing here stops the traffic: columns are added empty and filled in batches, and indexes are built
concurrently. So this migration is not one transaction, and each of its steps can be repeated: after
an interruption, `trimind db upgrade` does the rest.

Until the last process of the release before has ended, it inserts messages without their owner; a
trigger adds it. The next migration drops the trigger.
"""

from logging import getLogger
from typing import Final

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.migrations.locks import lock

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

log = getLogger(__name__)

BATCH: Final = 5000
OWNER: Final = (
    """
    CREATE OR REPLACE FUNCTION messages_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.user_id := (SELECT user_id FROM conversations WHERE id = NEW.conversation_id);
        RETURN NEW;
    END $$
    """,
    "DROP TRIGGER IF EXISTS owner ON messages",
    """
    CREATE TRIGGER owner BEFORE INSERT ON messages
        FOR EACH ROW WHEN (NEW.user_id IS NULL) EXECUTE FUNCTION messages_owner()
    """,
    # PostgreSQL takes the word of a valid constraint, and reads no row while the table is locked.
    "ALTER TABLE messages DROP CONSTRAINT IF EXISTS has_owner",
    "ALTER TABLE messages ADD CONSTRAINT has_owner CHECK (user_id IS NOT NULL) NOT VALID",
)
OWNED: Final = (
    "ALTER TABLE messages ALTER COLUMN user_id SET NOT NULL",
    "ALTER TABLE messages DROP CONSTRAINT has_owner",
)
FILL: Final = text(
    """
    WITH batch AS (
        SELECT id, conversation_id FROM messages WHERE id > :after ORDER BY id LIMIT :batch
    ), filled AS (
        UPDATE messages SET user_id = conversations.user_id
        FROM batch JOIN conversations ON conversations.id = batch.conversation_id
        WHERE messages.id = batch.id AND messages.user_id IS NULL
    )
    SELECT max(id) FROM batch
    """
)
EXTENSIONS: Final = ("pg_trgm", "btree_gin")
# New rows are collected, and sorted into the index when they take 1 MB: with PostgreSQL's 4 MB, the
# INSERT that does so takes 190 ms instead of 50; with less, every INSERT takes longer.
SEARCHED: Final = (
    ("ix_messages_search", "messages", "content"),
    ("ix_conversations_search", "conversations", "title"),
)


def upgrade() -> None:
    lock("messages")
    op.execute("ALTER TABLE messages ADD COLUMN IF NOT EXISTS user_id varchar(40)")
    for statement in OWNER:
        op.execute(statement)
    with op.get_context().autocommit_block():
        _fill()
        op.execute("ALTER TABLE messages VALIDATE CONSTRAINT has_owner")
        _build("ix_jobs_conversation", "jobs (conversation_id, id)")
        _build("ix_jobs_unfinished", "jobs (conversation_id, mind) WHERE completed_at IS NULL")
        _build("ix_broadcasts_conversation_id", "broadcasts (conversation_id)")
        _drop("ix_jobs_track")
        _drop("ix_jobs_blocked")
        if all(_has(extension) for extension in EXTENSIONS):
            for name, table, column in SEARCHED:
                keys = f"user_id, {column} {_trigrams()}"
                _build(name, f"{table} USING gin ({keys}) WITH (gin_pending_list_limit = 1024)")
        else:
            _build("ix_messages_owner", "messages (user_id)")
    lock("messages")
    for statement in OWNED:
        op.execute(statement)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _build("ix_jobs_track", "jobs (conversation_id, mind, id)")
        _build("ix_jobs_blocked", "jobs (conversation_id, mind) WHERE slot = 'blocked'")
        for name in (
            "ix_jobs_conversation",
            "ix_jobs_unfinished",
            "ix_broadcasts_conversation_id",
            "ix_messages_search",
            "ix_conversations_search",
            "ix_messages_owner",
        ):
            _drop(name)
    op.execute("DROP TRIGGER IF EXISTS owner ON messages")
    op.execute("DROP FUNCTION IF EXISTS messages_owner()")
    op.execute("ALTER TABLE messages DROP COLUMN IF EXISTS user_id")


def _fill() -> None:
    """Give each message its owner."""
    after: str | None = ""
    while after is not None:
        after = op.get_bind().scalar(FILL, {"after": after, "batch": BATCH})


def _build(name: str, definition: str) -> None:
    """Build an index, without a lock that stops writes. An interrupted build leaves an invalid
    index, which is built again."""
    broken = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if op.get_bind().scalar(broken, {"name": name}) is not None:
        _drop(name)
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}")


def _drop(name: str) -> None:
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _has(extension: str) -> bool:
    """Add an extension. Both are trusted, so that the owner of a database may; but not every
    provider has them."""
    try:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        reason = str(error.orig).strip().splitlines()[0]
        log.warning(
            "PostgreSQL refuses the extension %s, so that searches read all messages of their user;"
            " docs/deploying.md says what to do: %s",
            extension,
            reason,
        )
        return False
    return True


def _trigrams() -> str:
    """The name of the operator class, in whatever schema the extension is."""
    schema = text(
        "SELECT quote_ident(nspname) FROM pg_extension"
        " JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm'"
    )
    return f"{op.get_bind().scalar(schema)}.gin_trgm_ops"
