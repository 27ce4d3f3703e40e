"""Every call of /openapi.json asks for its scope."""

from typing import Any

import pytest

from config.settings import get_settings
from models.api_keys import create_key
from models.scopes import ADMIN, READ, WRITE
from models.session import unit_of_work
from models.users import get_or_create_user

from .documented import HELLO, calls, code_of, detail_of, ids_of


@pytest.fixture
def call(app, backends, external_id):
    """`call(scopes, method, path, body)`: the answer to a caller whose key has these scopes."""
    keys: dict[tuple[str, ...], str] = {}

    def make(scopes: tuple[str, ...], method: str, path: str, body: Any = None):
        if scopes not in keys:
            with unit_of_work() as session:
                user_id = get_or_create_user(session, external_id)
                keys[scopes] = create_key(session, user_id, "", get_settings().pepper, scopes)
        headers = {"Authorization": f"Bearer {keys[scopes]}"}
        return app.test_client().open(path, method=method, json=body, headers=headers)

    return make


@pytest.fixture
def document(app):
    return app.test_client().get("/openapi.json").json


@pytest.fixture
def owned(client) -> dict[str, str]:
    """Ids of this test's user, by the name of the parameter that takes them."""
    return ids_of(client)


@pytest.mark.parametrize("held", [(READ,), (WRITE,), (READ, WRITE)])
def test_a_call_is_refused_without_its_scope_and_only_then(document, call, held):
    found = list(calls(document))
    assert {each.scope for each in found} == {READ, WRITE, ADMIN}
    for each in found:
        if each.scope in held and each.method != "GET":
            continue  # it would do what it is for
        answer = call(held, each.method, each.path.format(**each.ids), each.body)
        if each.scope in held:
            assert answer.status_code != 403, each
        else:
            assert (answer.status_code, code_of(answer)) == (403, "insufficient_scope"), each
            assert each.scope in detail_of(answer)


def test_an_operators_key_may_do_everything(call):
    assert call((ADMIN,), "GET", "/v1/board").status_code == 200
    assert call((ADMIN,), "GET", "/v1/jobs").status_code == 200
    assert call((ADMIN,), "POST", "/v1/jobs", HELLO).status_code == 202


def test_who_may_read_may_create_a_stream_token(call, owned):
    path = f"/v1/jobs/{owned['job_id']}/stream-token"
    assert call((READ,), "POST", path).status_code == 200
    assert call((WRITE,), "POST", path).status_code == 403


def test_every_call_asks_for_a_key(document, app):
    for each in calls(document):
        path = each.path.format(**each.ids)
        answer = app.test_client().open(path, method=each.method, json=each.body)
        assert answer.status_code == 401, each
