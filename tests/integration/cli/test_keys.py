"""`trimind key`: scopes, expiry, rotation, and JSON."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from config.settings import get_settings
from models.api_keys import find_grant
from models.grants import Grant
from models.scopes import EVERY
from models.session import unit_of_work

pytestmark = pytest.mark.usefixtures("backends")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["key", *arguments])


def trimind(*arguments: str) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def create(external_id: str) -> Callable[..., dict[str, str]]:
    """`create(*options)`: a new key of this test's user."""

    def make(*options: str) -> dict[str, str]:
        made: dict[str, str] = json.loads(
            trimind("create", "--user", external_id, "--json", *options)
        )
        return made

    return make


def grant_of(key: str) -> Grant | None:
    with unit_of_work() as session:
        return find_grant(session.connection(), key, get_settings().peppers)


def test_a_key_has_the_scopes_and_the_expiry_that_it_is_given(
    create: Callable[..., dict[str, str]],
) -> None:
    made = create("--scope", "jobs:read", "--expires-in", "30d", "--name", "laptop")

    grant = grant_of(made["key"])

    assert grant is not None
    assert grant.scopes == {"jobs:read"}
    assert grant.lasts_s is not None
    assert 29 * 86_400 < grant.lasts_s <= 30 * 86_400
    assert made["name"] == "laptop"


def test_an_operators_key_may_do_everything(create: Callable[..., dict[str, str]]) -> None:
    grant = grant_of(create("--admin")["key"])
    assert grant is not None
    assert grant.scopes == EVERY
    assert grant.lasts_s is None


def test_a_list_shows_what_became_of_each_key_and_no_key(
    create: Callable[..., dict[str, str]], external_id: str
) -> None:
    old = create("--expires-in", "1h")
    new = json.loads(trimind("rotate", old["id"], "--overlap", "0s", "--json"))
    trimind("revoke", new["id"])

    found = json.loads(trimind("list", "--user", external_id, "--json"))
    shown = trimind("list", "--user", external_id)

    assert [(each["id"], each["state"]) for each in found] == [
        (old["id"], "expired"),
        (new["id"], "revoked"),
    ]
    assert all(word in shown for word in ("expired", "revoked", "never used", "jobs:read"))
    assert not any(key["key"] in json.dumps(found) + shown for key in (old, new))


def test_a_rotated_key_is_valid_for_its_overlap(create: Callable[..., dict[str, str]]) -> None:
    old = create("--scope", "jobs:read")
    new = trimind("rotate", old["id"], "--overlap", "5m").strip()

    before, after = grant_of(old["key"]), grant_of(new)

    assert before is not None
    assert before.lasts_s is not None
    assert before.lasts_s <= 300
    assert after is not None
    assert after.scopes == {"jobs:read"}
    assert after.lasts_s is None
    refused = run("rotate", old["id"])
    assert refused.exit_code == 1
    assert "rotated before" in refused.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--user", "ada", "--expires-in", "soon"], "30d"),
        (["create", "--user", "ada", "--scope", "root"], "jobs:read"),
        (["rotate", "key_\x1b"], "no key key_\\x1b"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code != 0
    assert said in refused.output
