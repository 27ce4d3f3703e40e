"""The group lists its commands, and each of them has help."""

from collections.abc import Iterator

import click
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


def leaves(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """The path of each command that is no group of others alone."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, *path, name)
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path


# Not parametrized: to list them is to import them all, in each process that collects tests.
def test_every_command_takes_json() -> None:
    for path in leaves(main):
        shown = CliRunner().invoke(main, [*path, "--help"])
        assert shown.exit_code == 0, path
        assert "--json" in shown.output, path


def test_every_command_refuses_what_it_does_not_know() -> None:
    for path in leaves(main):
        assert CliRunner().invoke(main, [*path, "--no-such-option"]).exit_code == 2, path


@pytest.mark.parametrize(("alias", "name"), [("keys", "key"), ("users", "user")])
def test_plurals_are_understood(alias: str, name: str) -> None:
    shown = [CliRunner().invoke(main, [each, "list", "--help"]) for each in (alias, name)]
    assert [each.exit_code for each in shown] == [0, 0]
