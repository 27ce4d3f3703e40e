"""`trimind audit` shows what `trimind key` has changed."""

import getpass
import json

import pytest
from click.testing import CliRunner

from app.cli import main

pytestmark = pytest.mark.usefixtures("backends")


def trimind(*arguments: str) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def key(external_id: str) -> str:
    """A key whose name would command a terminal."""
    return trimind("key", "create", "--user", external_id, "--name", "a\x1b[2Jb").strip()


def test_it_shows_who_did_what_to_whose_key(key: str, external_id: str) -> None:
    [shown] = json.loads(trimind("audit", "--user", external_id, "--action", "key", "--json"))

    assert shown["action"] == "key.created"
    assert shown["actor"] == f"command {getpass.getuser()}"
    assert shown["details"]["name"] == "a\x1b[2Jb"
    assert shown["details"]["hint"] == key[:8]
    text = trimind("audit", "--user", shown["user_id"], "--since", "5m", "--action", "key")
    assert text.count("\n") == 1
    assert shown["subject"] in text
    assert "a\\x1b[2Jb" in text
    assert key not in text


@pytest.mark.parametrize("since", ["yesterday", "5y", "-1d", "2026-13-01"])
def test_a_time_that_is_none_is_refused(since: str) -> None:
    refused = CliRunner().invoke(main, ["audit", "--since", since])
    assert refused.exit_code == 2
    assert "30m, 24h, 7d" in refused.output


def test_a_day_is_a_time(key: str, external_id: str) -> None:
    assert trimind("audit", "--user", external_id, "--since", "2026-01-31").count("\n") == 2
