"""The schema changes while the release before is serving, and an interrupted change is repeated."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.orm import Session

import models
from models.connection import open_engine
from models.conversations import create_conversation
from models.schema import newest_version, upgrade
from models.searches import search_conversations
from models.session import get_engine, unit_of_work
from models.users import get_or_create_user

INSERT = """
INSERT INTO messages (id, conversation_id, role, content) VALUES (:id, :conversation, 'user', :said)
"""
VALID = """
SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indisvalid AND relname IN ('ix_messages_search', 'ix_conversations_search',
    'ix_messages_owner', 'ix_jobs_conversation', 'ix_jobs_unfinished', 'ix_jobs_track')
"""
SEARCH = {"ix_messages_search", "ix_conversations_search"}
NEW = SEARCH | {"ix_jobs_conversation", "ix_jobs_unfinished"}
# `models/migrations/env.py`, which only Alembic can import
MIGRATION_LOCK = 7_261_946
DONE = f"The schema is at version {newest_version()}.\n"


@pytest.fixture
def downgraded(quiet: None) -> Iterator[None]:
    """The schema of the release before; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    command.downgrade(config, "0010")
    yield
    upgrade()


def say(conversation: str, said: str) -> None:
    """Insert a message as the release before does."""
    with get_engine().begin() as connection:
        values = {"id": f"msg_{secrets.token_hex(8)}", "conversation": conversation, "said": said}
        connection.execute(text(INSERT), values)


def found(user: str, q: str) -> list[str]:
    with unit_of_work() as session:
        return [each.id for each in search_conversations(session, user, q, limit=20)]


def start_upgrade(**environ: str) -> subprocess.Popen[str]:
    """Start the release step."""
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "db", "upgrade"],
        env={**os.environ, **environ},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def valid_indexes() -> set[str]:
    with get_engine().connect() as connection:
        return set(connection.scalars(text(VALID)))


@pytest.fixture
def conversation(external_id: str) -> tuple[str, str]:
    """A user and one of their conversations."""
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        return user, create_conversation(session, user).id


def test_messages_of_the_release_before_are_found(
    conversation: tuple[str, str], downgraded: None
) -> None:
    user, where = conversation
    say(where, "said before the upgrade")
    assert valid_indexes() == {"ix_jobs_track"}

    upgrade()
    say(where, "said during the release")

    assert found(user, "BEFORE the") == found(user, "during") == [where]
    assert valid_indexes() == NEW


def test_an_interrupted_upgrade_is_finished_by_the_next(downgraded: None) -> None:
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ALTER TABLE messages ADD COLUMN user_id varchar(40)")
        connection.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_jobs_conversation ON jobs (id)")
        # What a build leaves that does not end.
        broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('{}')"
        connection.exec_driver_sql(broken.format("ix_jobs_conversation"))

    upgrade()

    assert valid_indexes() == NEW
    with get_engine().connect() as connection:
        definition = "SELECT pg_get_indexdef(to_regclass('ix_jobs_conversation'))"
        assert "(conversation_id, id)" in connection.scalars(text(definition)).one()


def test_two_upgrades_at_once_take_turns(downgraded: None) -> None:
    both = [start_upgrade() for _ in range(2)]

    for process in both:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        assert output.endswith(DONE)
    assert valid_indexes() == NEW


def test_an_upgrade_that_waits_has_no_transaction_open(
    downgraded: None, until: Callable[[Callable[[], object]], object]
) -> None:
    """To build an index, the one that has the lock waits for the transactions of all others."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'trimind-release' AND state = 'idle' AND query = 'ROLLBACK'"
    )

    with get_engine().connect() as holder:

        def waits() -> bool:
            holder.execute(text("SELECT"))  # or it would be ended as idle on a busy machine
            with get_engine().connect() as connection:
                # That of its pool, and that which polls the lock.
                return connection.scalars(waiting).one() == 2

        holder.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        process = start_upgrade()
        until(waits)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert valid_indexes() == NEW


@pytest.fixture
def without_rights(backends: Mapping[str, str]) -> str:
    """The URL of a database in which our user may create tables, but no extension."""
    name = f"limited_{secrets.token_hex(4)}"
    url = make_url(backends["DATABASE_URL"])
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    there = url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with psycopg.connect(there, autocommit=True) as connection:
        connection.execute(f"GRANT ALL ON SCHEMA public TO {name}".encode())
    return url.set(database=name, username=name).render_as_string(hide_password=False)


def test_without_the_right_to_add_extensions_a_search_reads_its_user_s_messages(
    without_rights: str,
) -> None:
    process = start_upgrade(DATABASE_URL=without_rights)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output
    assert output.endswith(DONE)
    assert "refuses the extension pg_trgm" in output
    assert "permission denied" in output
    engine = open_engine(without_rights, poolclass=NullPool)
    with Session(engine) as session:
        assert set(session.scalars(text(VALID))) == NEW - SEARCH | {"ix_messages_owner"}
        user = get_or_create_user(session, "one")
        where = create_conversation(session, user, title="Rivers").id
        session.execute(text(INSERT), {"id": "msg_1", "conversation": where, "said": "The Danube"})
        for q in ("danube", "RIVERS"):
            [only] = search_conversations(session, user, q, limit=20)
            assert only.id == where
        assert search_conversations(session, user, "volga", limit=20) == []
