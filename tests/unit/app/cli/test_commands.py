"""The group lists its commands, and each of them has help."""

import pytest
from click.testing import CliRunner

from app.cli import COMMANDS, SUMMARIES, main


def test_every_command_has_a_summary() -> None:
    assert list(COMMANDS) == list(SUMMARIES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_an_unknown_command_is_refused() -> None:
    shown = CliRunner().invoke(main, ["dance"])
    assert shown.exit_code == 2
    assert "dance" in shown.output


@pytest.mark.parametrize("user", ["", "two words", "ü", "x" * 256])
def test_a_key_is_made_only_for_a_name_that_the_api_takes(user: str) -> None:
    shown = CliRunner().invoke(main, ["key", "create", "--user", user])
    assert shown.exit_code == 2
    assert "visible ASCII" in shown.output
