"""Every call of /openapi.json asks for its scope, and takes the ids of others for unknown ones."""

import re
from collections.abc import Collection, Iterator
from typing import Any

import pytest

from config.settings import get_settings
from models.api_keys import create_key
from models.scopes import ADMIN, READ, WRITE
from models.session import unit_of_work
from models.users import get_or_create_user

METHODS = ("get", "post", "put", "patch", "delete")
HELLO = {"message": "hello"}


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


def ids_of(client) -> dict[str, str]:
    job = client.post("/v1/jobs", json=HELLO).json
    webhook = client.post("/v1/webhooks", json={"url": "https://example.com/hook"}).json
    return {
        "job_id": job["id"],
        "response_id": job["id"].replace("job_", "resp_"),
        "conversation_id": job["conversation_id"],
        "broadcast_id": client.post("/v1/broadcasts", json=HELLO).json["id"],
        "key_id": client.post("/v1/keys", json={}).json["id"],
        "webhook_id": webhook["id"],
        "event_id": client.post(f"/v1/webhooks/{webhook['id']}/test").json["id"],
    }


def calls(document: dict[str, Any]) -> Iterator[tuple[str, str, str, Any, dict[str, str]]]:
    """Each call that users make: its scope, method, path, an example body, and example ids."""
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = item.get(method, {})
            if any("api_key" in way for way in operation.get("security", [])):
                scope = operation["x-required-scope"]
                examples = {
                    each["name"]: each["schema"]["pattern"].strip("^$").replace(ULID, "0" * 26)
                    for each in operation.get("parameters", [])
                    if each["in"] == "path"
                }
                yield scope, method.upper(), path, body_of(document, operation), examples


ULID = "[0-9A-HJKMNP-TV-Z]{26}"


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    if "requestBody" not in operation:
        return None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    named = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return named["example"]


def code_of(answer) -> str:
    return (answer.json.get("error") or answer.json)["code"]


def detail_of(answer) -> str:
    return answer.json["error"]["message"] if "error" in answer.json else answer.json["detail"]


@pytest.mark.parametrize("held", [(READ,), (WRITE,), (READ, WRITE)])
def test_a_call_is_refused_without_its_scope_and_only_then(document, call, held):
    found = list(calls(document))
    assert {scope for scope, *_ in found} == {READ, WRITE, ADMIN}
    for scope, method, path, body, ids in found:
        if scope in held and method != "GET":
            continue  # it would do what it is for
        answer = call(held, method, path.format(**ids), body)
        if scope in held:
            assert answer.status_code != 403, (method, path)
        else:
            assert (answer.status_code, code_of(answer)) == (403, "insufficient_scope"), path
            assert scope in detail_of(answer)


def test_an_operators_key_may_do_everything(call):
    assert call((ADMIN,), "GET", "/v1/board").status_code == 200
    assert call((ADMIN,), "GET", "/v1/jobs").status_code == 200
    assert call((ADMIN,), "POST", "/v1/jobs", HELLO).status_code == 202


def test_who_may_read_may_create_a_stream_token(call, owned):
    path = f"/v1/jobs/{owned['job_id']}/stream-token"
    assert call((READ,), "POST", path).status_code == 200
    assert call((WRITE,), "POST", path).status_code == 403


def test_every_call_asks_for_a_key(document, app):
    for _, method, path, body, ids in calls(document):
        answer = app.test_client().open(path.format(**ids), method=method, json=body)
        assert answer.status_code == 401, (method, path)


def test_the_ids_of_others_are_unknown_ids(document, stranger, owned):
    own = ids_of(stranger)
    tried: set[str] = set()
    for scope, method, path, body, ids in calls(document):
        if scope == ADMIN:
            continue
        assert ids.keys() <= owned.keys(), f"{path}: no id to try in test_scopes.ids_of"
        for foreign in foreign_parts(ids):
            others = {name: owned[name] for name in foreign}
            unknown = {name: ids[name] for name in foreign}
            answer = stranger.open(path.format(**own | others), method=method, json=body)
            expected = stranger.open(path.format(**own | unknown), method=method, json=body)
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), (method, path)
            assert described(answer) == described(expected)
        tried |= ids.keys()
    assert tried == owned.keys()


def foreign_parts(names: Collection[str]) -> Iterator[Collection[str]]:
    """Which of a path's ids are another user's: all, and each alone, beside the caller's own."""
    if names:
        yield names
    if len(names) > 1:
        yield from ((name,) for name in names)


def described(answer) -> str:
    """What an answer says, without the ids in it."""
    return re.sub("[a-z]+_[0-9A-Z]{26}", "id", detail_of(answer))
