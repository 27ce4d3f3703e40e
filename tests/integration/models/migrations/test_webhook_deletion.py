"""An interrupted change of the webhooks' indexes is repeated."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import models
from models.schema import upgrade
from models.session import get_engine

# What a build leaves that does not end.
INTERRUPTED = (
    "CREATE INDEX ix_webhook_deliveries_listing ON webhook_deliveries (event_id)",
    "UPDATE pg_index SET indisvalid = false"
    " WHERE indexrelid = to_regclass('ix_webhook_deliveries_listing')",
)
FOUND = """
SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indexrelid = to_regclass('ix_webhook_deliveries_listing')
"""


@pytest.fixture
def downgraded(backends: Mapping[str, str]) -> Iterator[None]:
    """The schema of the release before; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    command.downgrade(config, "0022")
    yield
    upgrade()


def test_an_index_whose_build_was_interrupted_is_built_again(downgraded: None) -> None:
    with get_engine().begin() as connection:
        for statement in INTERRUPTED:
            connection.execute(text(statement))
    upgrade()
    with get_engine().connect() as connection:
        is_valid, definition = connection.execute(text(FOUND)).one()
    assert (is_valid, definition.endswith("(webhook_id, status, event_id)")) == (True, True)
