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
        "jobs_in_flight": "320  (default)",
        "streams": "half of WEB_STREAMS  (default)",
        "spend_usd": "no limit  (default)",
    }

    shown(user, "--jobs", "7", "--requests-per-minute", "0")
    assert shown(user, "--streams", "3") == {
        "requests_per_minute": "no limit",
        "jobs": "7",
        "jobs_in_flight": "320  (default)",
        "streams": "3",
        "spend_usd": "no limit  (default)",
    }
    assert shown(user, "--reset", "--jobs", "8", "--jobs-in-flight", "20") == {
        "requests_per_minute": "60000  (default)",
        "jobs": "8",
        "jobs_in_flight": "20",
        "streams": "half of WEB_STREAMS  (default)",
        "spend_usd": "no limit  (default)",
    }


def test_a_budget_is_in_dollars(user: str) -> None:
    assert shown(user, "--spend-usd", "12.500")["spend_usd"] == "12.5"
    assert shown(user, "--jobs", "7")["spend_usd"] == "12.5"
    assert shown(user, "--spend-usd", "100")["spend_usd"] == "100"
    assert shown(user, "--spend-usd", "0")["spend_usd"] == "no limit"
    assert shown(user, "--reset")["spend_usd"] == "no limit  (default)"


def test_changes_are_in_the_audit_log(user: str) -> None:
    shown(user, "--jobs", "7", "--spend-usd", "0.5")
    shown(user)

    audit = json.loads(trimind("audit", "--user", user, "--action", "limits", "--json").output)

    assert [(entry["action"], entry["details"]) for entry in audit] == [
        ("limits.changed", {"jobs": 7, "spend_usd": "0.5"})
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--jobs", "-1"),
        ("--streams", "many"),
        ("--jobs", "1e99"),
        *(("--spend-usd", usd) for usd in ("-1", "NaN", "inf", "1e9", "1e999999999", "1e-7", "$1")),
    ],
)
def test_a_limit_that_is_none_is_refused(user: str, wrong: tuple[str, str]) -> None:
    assert trimind("user", "limits", user, *wrong).exit_code == 2


def test_an_unknown_user_is_named(external_id: str) -> None:
    refused = trimind("user", "limits", f"not-{external_id}", "--jobs", "1")

    assert refused.exit_code == 1
    assert f"there is no user not-{external_id}" in refused.output
