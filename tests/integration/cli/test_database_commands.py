"""The commands that work on the database itself."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from app.cli import main
from app.cli.local.demo import demo_key, earlier_jobs
from config.settings import get_settings
from models.api_keys import ApiKey, digest_of, find_grant
from models.schema import newest_version
from models.session import get_engine, unit_of_work
from models.users import external_id_of

pytestmark = pytest.mark.usefixtures("backends")


def owner(key: str) -> str | None:
    with unit_of_work() as session:
        grant = find_grant(session.connection(), key, get_settings().peppers)
        return external_id_of(session, grant.user_id) if grant else None


def revoke(key: str) -> None:
    with unit_of_work() as session:
        digest = digest_of(key, get_settings().pepper)
        session.query(ApiKey).filter_by(digest=digest).delete()


def test_a_key_belongs_to_the_user_that_it_was_made_for(external_id: str) -> None:
    made = CliRunner().invoke(main, ["key", "create", "--user", external_id, "--name", "laptop"])
    assert made.exit_code == 0, made.output
    assert owner(made.output.strip()) == external_id


def test_a_second_key_of_a_user_leaves_the_first_valid(external_id: str) -> None:
    keys = [
        CliRunner().invoke(main, ["key", "create", "--user", external_id]).output.strip()
        for _ in range(2)
    ]
    assert keys[0] != keys[1]
    assert [owner(key) for key in keys] == [external_id, external_id]


def test_a_listed_key_is_revoked_by_its_id_and_no_other_is(external_id: str) -> None:
    first, second = [
        CliRunner().invoke(main, ["key", "create", "--user", external_id]).output.strip()
        for _ in range(2)
    ]
    listed = CliRunner().invoke(main, ["key", "list", "--user", external_id]).output.splitlines()
    assert len(listed) == 2
    assert all(external_id in line and "active" in line for line in listed)
    assert not any(key in line for key in (first, second) for line in listed)

    for _ in range(2):  # a second time changes nothing
        done = CliRunner().invoke(main, ["key", "revoke", listed[0].split()[0]])
        assert done.exit_code == 0, done.output
    assert [owner(key) for key in (first, second)] == [None, external_id]
    shown = CliRunner().invoke(main, ["key", "list"]).output.splitlines()
    states = [line.split()[4] for line in shown if external_id in line]
    assert states == ["revoked", "active"]


def test_a_key_that_is_not_there_is_not_revoked() -> None:
    refused = CliRunner().invoke(main, ["key", "revoke", "key_\x1b[2J"])
    assert refused.exit_code == 1
    assert "\\x1b" in refused.output
    assert "\x1b" not in refused.output


def upgrade(backends: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run `trimind db upgrade`: in a process of its own, whose logging it configures."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "db", "upgrade", *options],
        env={**os.environ, **backends},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def newer_schema(backends: Mapping[str, str]) -> Iterator[str]:
    """The version of the release after this one, which has migrated the schema."""
    version = text("UPDATE alembic_version SET version_num = :version")
    with get_engine().begin() as connection:
        connection.execute(version, {"version": "9999"})
    yield "9999"
    with get_engine().begin() as connection:
        connection.execute(version, {"version": newest_version()})


def test_an_upgrade_of_a_new_schema_does_nothing_and_says_its_version(
    backends: Mapping[str, str],
) -> None:
    done = upgrade(backends)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"The schema is at version {newest_version()}.\n"


def test_a_release_that_is_gone_back_to_leaves_the_newer_schema_as_it_is(
    backends: Mapping[str, str], newer_schema: str
) -> None:
    done = upgrade(backends)
    assert done.returncode == 0, done.stderr
    ours = f"newer than this release's {newest_version()}: left as it is"
    assert done.stdout == f"The schema is at version {newer_schema}, {ours}.\n"
    assert json.loads(upgrade(backends, "--json").stdout) == {"version": newer_schema}


def test_the_demo_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "demo-key"
    key = demo_key(file)
    assert demo_key(file) == key
    assert owner(key) == "demo"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("kept", ["tm_of-another-database", ""])
def test_a_kept_key_that_is_no_longer_good_is_replaced(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "demo-key"
    file.write_text(kept)
    key = demo_key(file)
    assert owner(key) == "demo"
    assert file.read_text().strip() == key


def test_a_deleted_key_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "demo-key"
    first = demo_key(file)
    revoke(first)
    assert demo_key(file) != first


def test_the_jobs_are_counted_in_words() -> None:
    assert earlier_jobs().startswith("no jobs yet") or "from earlier" in earlier_jobs()
