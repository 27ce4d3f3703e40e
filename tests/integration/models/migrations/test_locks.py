"""While a migration waits to lock a table, the traffic goes on."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import models
from models.schema import newest_version, upgrade, versions
from models.session import get_engine

WAITS: Final = text(
    "SELECT count(*) FROM pg_locks WHERE relation = 'jobs'::regclass AND NOT granted"
    " AND mode = :mode"
)
TRAFFIC: Final = (
    "SET LOCAL lock_timeout = '1s'",
    "SELECT id FROM jobs LIMIT 1",
    "UPDATE jobs SET starts = starts WHERE id = 'absent'",
)


@pytest.fixture
def before(backends: Mapping[str, str], quiet: None) -> Iterator[None]:
    """The schema before a migration that changes the jobs; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    command.downgrade(config, "0024")
    yield
    upgrade()


@pytest.mark.parametrize(
    ("others", "waits_for", "times"),
    [
        # as a backup
        ("SELECT id FROM jobs LIMIT 1", "AccessExclusiveLock", 3),
        # as a vacuum
        (
            "LOCK TABLE jobs IN SHARE UPDATE EXCLUSIVE MODE",
            "ShareUpdateExclusiveLock",
            1,
        ),
    ],
)
def test_the_traffic_goes_on_while_a_migration_waits_for_a_long_transaction(
    before: None,
    until: Callable[..., None],
    others: str,
    waits_for: str,
    times: int,
) -> None:
    def waits() -> bool:
        with get_engine().connect() as connection:
            return connection.scalars(WAITS, {"mode": waits_for}).one() == 1

    with ThreadPoolExecutor(1) as thread:
        with get_engine().connect() as long:
            long.execute(text(others))
            upgraded = thread.submit(upgrade)
            for _ in range(times):
                until(waits)
                with get_engine().begin() as connection:
                    for statement in TRAFFIC:
                        connection.execute(text(statement))
            assert not upgraded.done()
        upgraded.result(30)
    assert versions() == (newest_version(), newest_version())
