"""Keys and sessions of the release before, which has no scopes but `admin`, may still do all that
they could."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import models
from models.ids import new_id
from models.schema import upgrade
from models.scopes import READ, WRITE
from models.session import get_engine, unit_of_work
from models.users import get_or_create_user

USUAL = [READ, WRITE]
INSERT = """
INSERT INTO api_keys (id, user_id, name, hint, digest, scopes)
VALUES (:id, :user_id, '', 'tm_', :digest, :scopes)
"""


@pytest.fixture
def downgrade(backends: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """`downgrade()`: to the schema of the release before; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    yield lambda: command.downgrade(config, "0014")
    upgrade()


@pytest.fixture
def insert(backends: Mapping[str, str], external_id: str) -> Callable[[list[str]], str]:
    """`insert(scopes)`: the id of a key, as the release before inserts it."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)

    def run(scopes: list[str]) -> str:
        key_id = new_id("key")
        values = {"id": key_id, "user_id": user_id, "digest": key_id.encode(), "scopes": scopes}
        with get_engine().begin() as connection:
            connection.execute(text(INSERT), values)
        return key_id

    return run


def scopes_of(key_id: str) -> list[str]:
    with get_engine().connect() as connection:
        found = text("SELECT scopes FROM api_keys WHERE id = :id")
        scopes: list[str] = connection.execute(found, {"id": key_id}).scalar_one()
        return scopes


def test_keys_that_exist_keep_what_they_may_do(
    downgrade: Callable[[], None], insert: Callable[[list[str]], str]
) -> None:
    downgrade()
    usual, admins = insert([]), insert(["admin"])

    upgrade()

    assert (scopes_of(usual), scopes_of(admins)) == (USUAL, ["admin"])


def test_a_key_that_the_release_before_inserts_may_read_and_write(
    insert: Callable[[list[str]], str],
) -> None:
    assert (scopes_of(insert([])), scopes_of(insert(["admin"]))) == (USUAL, ["admin"])
