"""`trimind user limits`."""

import json

import pytest
from click.testing import CliRunner, Result

from app.cli import main

pytestmark = pytest.mark.usefixtures("backends")


def trimind(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def user(external_id: str) -> str:
    trimind("key", "create", "--user", external_id)
    return external_id


def shown(*arguments: str) -> dict[str, str]:
    done = trimind("user", "limits", *arguments)
    assert done.exit_code == 0, done.output
    rows = (row.split(maxsplit=1) for row in done.output.splitlines())
    return {name: value.strip() for name, value in rows}


def test_limits_are_the_settings_until_they_are_changed(user: str) -> None:
    assert shown(user) == {
        "requests_per_minute": "60000  (default)",
        "jobs": "10000  (default)",
        "streams": "half of WEB_STREAMS  (default)",
    }

    shown(user, "--jobs", "7", "--requests-per-minute", "0")
    assert shown(user, "--streams", "3") == {
        "requests_per_minute": "no limit",
        "jobs": "7",
        "streams": "3",
    }
    assert shown(user, "--reset", "--jobs", "8") == {
        "requests_per_minute": "60000  (default)",
        "jobs": "8",
        "streams": "half of WEB_STREAMS  (default)",
    }


def test_changes_are_in_the_audit_log(user: str) -> None:
    shown(user, "--jobs", "7")
    shown(user)

    audit = json.loads(trimind("audit", "--user", user, "--action", "limits", "--json").output)

    assert [(entry["action"], entry["details"]) for entry in audit] == [
        ("limits.changed", {"jobs": 7})
    ]


@pytest.mark.parametrize("wrong", [("--jobs", "-1"), ("--streams", "many"), ("--jobs", "1e99")])
def test_a_limit_that_is_none_is_refused(user: str, wrong: tuple[str, str]) -> None:
    assert trimind("user", "limits", user, *wrong).exit_code == 2


def test_an_unknown_user_is_named(external_id: str) -> None:
    refused = trimind("user", "limits", f"not-{external_id}", "--jobs", "1")

    assert refused.exit_code == 1
    assert f"there is no user not-{external_id}" in refused.output
