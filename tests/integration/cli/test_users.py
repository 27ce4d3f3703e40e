"""`trimind user`: all that is a user's, printed or deleted."""

import json
from collections.abc import Iterator, Mapping

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from config.settings import get_settings
from models.api_keys import create_key
from models.audit_lists import list_entries
from models.conversations import create_conversation
from models.export import ROWS
from models.session import unit_of_work
from models.users import find_user, get_or_create_user
from tasks.jobs.submission import Submission, accept

from ..commits import unfollowed

CANARY = "canary-of-a-prompt"


@pytest.fixture(autouse=True)
def quiet(backends: Mapping[str, str]) -> Iterator[None]:
    with unfollowed():
        yield


@pytest.fixture
def user_id(external_id: str) -> str:
    with unit_of_work() as session:
        mine = get_or_create_user(session, external_id)
        other = get_or_create_user(session, f"other-{external_id}")
        for user in (mine, other):
            accept(session, Submission(user, f"{CANARY} of {user}"))
    return mine


@pytest.fixture
def key(user_id: str) -> str:
    with unit_of_work() as session:
        return create_key(session, user_id, "laptop", get_settings().pepper)


def trimind(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=answer)


def test_an_export_has_all_that_is_the_users_and_no_secret(
    user_id: str, key: str, external_id: str
) -> None:
    done = trimind("user", "export", external_id)

    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"users", "conversations", "messages", "jobs", "api_keys", "audit_log"} <= {
        row["table"] for row in rows
    }
    [said] = [row["content"] for row in rows if row["table"] == "messages"]
    assert said == f"{CANARY} of {user_id}"
    assert {row["user_id"] for row in rows if "user_id" in row} == {user_id}
    assert f"other-{external_id}" not in done.stdout
    assert key not in done.stdout
    [job] = [row for row in rows if row["table"] == "jobs"]
    assert {"input_tokens", "cost_usd", "metadata"} <= job.keys()
    assert not {name for row in rows for name in row} & {"digest", "run_token", "fingerprint"}
    with unit_of_work() as session:
        assert list_entries(session, user=user_id)[0].action == "user.exported"


def test_an_export_goes_on_page_by_page(user_id: str, external_id: str) -> None:
    with unit_of_work() as session:
        for _ in range(ROWS + 3):
            create_conversation(session, user_id)

    rows = [json.loads(line) for line in trimind("user", "export", external_id).stdout.splitlines()]

    ids = [row["id"] for row in rows if row["table"] == "conversations"]
    assert len(ids) == len(set(ids)) == ROWS + 4


def test_a_deletion_asks_first(user_id: str, key: str, external_id: str) -> None:
    for answer in ("", "n\n"):
        assert trimind("user", "delete", external_id, answer=answer).exit_code != 0
    with unit_of_work() as session:
        assert find_user(session.connection(), external_id) == user_id

    done = trimind("user", "delete", external_id, "--yes")

    assert done.exit_code == 0, done.output
    with unit_of_work() as session:
        assert find_user(session.connection(), external_id) is None
        assert list_entries(session, user=user_id)[0].action == "user.deleted"
    again = trimind("user", "delete", external_id, "--yes")
    assert again.exit_code == 1
    assert "there is no user" in again.output


@pytest.mark.parametrize("command", ["export", "delete"])
def test_an_unknown_name_is_refused(command: str) -> None:
    assert "there is no user" in trimind("user", command, "no-such-user").output
    assert trimind("user", command, "a b").exit_code == 2
