"""An index whose concurrent build was interrupted is built again by the next upgrade, and so is a
schema that was left between two versions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import models
from models.schema import upgrade, versions
from models.session import get_engine

# What a build leaves that does not end, and what REINDEX leaves.
REINDEXED: Final = "CREATE INDEX ix_jobs_completed_at_ccnew ON jobs (completed_at)"
INTERRUPTED: Final = """
UPDATE pg_index SET indisvalid = false WHERE indexrelid IN
    (to_regclass('ix_jobs_completed_at'), to_regclass('ix_jobs_completed_at_ccnew'))
"""
FOUND: Final = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname LIKE 'ix_jobs_completed_at%'
"""
BUILT: Final = [("ix_jobs_completed_at", True)]


def execute(*statements: str) -> None:
    with get_engine().begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def found() -> list[tuple[str, bool]]:
    with get_engine().connect() as connection:
        return [(name, is_valid) for name, is_valid in connection.execute(text(FOUND))]


@pytest.mark.usefixtures("quiet")
def test_an_upgrade_builds_invalid_indexes_again(backends: Mapping[str, str]) -> None:
    execute(REINDEXED, INTERRUPTED)
    assert sorted(found()) == [
        ("ix_jobs_completed_at", False),
        ("ix_jobs_completed_at_ccnew", False),
    ]
    upgrade()  # of a schema that is up to date
    assert found() == BUILT


@pytest.mark.usefixtures("quiet")
def test_the_migration_that_was_interrupted_is_repeated(backends: Mapping[str, str]) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    command.downgrade(config, "0012")
    execute(INTERRUPTED, "UPDATE alembic_version SET version_num = '0011'")

    upgrade()

    assert found() == BUILT
    assert len(set(versions())) == 1
