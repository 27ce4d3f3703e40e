"""Every call of /openapi.json takes the ids of others for unknown ones: in its path, its query and
its body."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final

import pytest

from models.scopes import ADMIN

from .documented import Call, calls, code_of, described, ids_of

# Deeper, no schema of ours has a text.
DEPTH: Final = 6
# What is longer is no id, but may be taken for one.
ID_MAX_CHARS: Final = 255
TAKE_IDS: Final = {
    "after", "broadcast_id", "conversation_id", "ids[]", "job_id", "previous_response_id",
    "sessionId", "starting_after",
}  # fmt: skip

Make = Callable[[str], Any]
Field = tuple[str, dict[str, Any], Make]


@pytest.fixture
def document(app):
    return app.test_client().get("/openapi.json").json


@pytest.fixture
def owned(client) -> dict[str, str]:
    """Ids of this test's user, by the name of the parameter that takes them."""
    return ids_of(client)


def test_in_a_path(document, stranger, owned):
    own = ids_of(stranger)
    tried: set[str] = set()
    for call in users_calls(document):
        assert call.ids.keys() <= owned.keys(), f"{call.path}: no id to try in documented.ids_of"
        for foreign in foreign_parts(call.ids):
            others = {name: owned[name] for name in foreign}
            unknown = {name: call.ids[name] for name in foreign}
            answer = send(stranger, call, own | others, {}, call.body)
            expected = send(stranger, call, own | unknown, {}, call.body)
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), call.path
            assert described(answer) == described(expected)
        tried |= call.ids.keys()
    assert tried == owned.keys()


def test_in_a_query_or_a_body(document, client, stranger, owned, external_id):
    """Every text of a call that may be an id by its schema, whatever it is for."""
    own = ids_of(stranger)
    foreign = {**owned, "user": external_id, "position": f"{owned['job_id'][4:]}.1"}
    unknown = {kind: nobodys(found) for kind, found in foreign.items()}
    before = everything_of(client)
    tried: dict[str, set[str]] = defaultdict(set)
    for call in users_calls(document):
        for name, schema, send_with in texts_of(document, call):
            for kind in kinds_of(schema, foreign):
                answers = [send_with(stranger, own, ids[kind]) for ids in (foreign, unknown)]
                shown = [as_shown(each) for each in answers]
                assert shown[0] == shown[1], (call.method, call.path, name, kind)
                assert answers[0].status_code != 429
                tried[name].add(kind)
    assert tried.keys() >= TAKE_IDS
    assert everything_of(client) == before


def users_calls(document: dict[str, Any]) -> Iterator[Call]:
    return (call for call in calls(document) if call.scope != ADMIN)


def foreign_parts(names: Collection[str]) -> Iterator[Collection[str]]:
    """Which of a path's ids are another user's: all, and each alone, beside the caller's own."""
    if names:
        yield names
    if len(names) > 1:
        yield from ((name,) for name in names)


def send(user, call: Call, ids: Mapping[str, str], query: Mapping[str, str], body: Any):
    path = call.path.format(**ids)
    return user.open(path, method=call.method, query_string=query, json=body)


def texts_of(document: dict[str, Any], call: Call) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Each text of a call's query and body: its name, its schema, and `send(user, ids, text)`."""
    for each in call.operation.get("parameters", []):
        if each["in"] == "query":
            for _, schema, _ in fields_of(document, each["schema"], each["name"]):
                yield each["name"], schema, in_query(call, each["name"])
    if "requestBody" in call.operation:
        schema = call.operation["requestBody"]["content"]["application/json"]["schema"]
        for name, found, make in fields_of(document, schema, ""):
            yield name, found, in_body(call, make)


def in_query(call: Call, name: str):
    return lambda user, ids, text: send(user, call, ids, {name: text}, call.body)


def in_body(call: Call, make: Make):
    return lambda user, ids, text: send(user, call, ids, {}, make(text))


def fields_of(
    document: dict[str, Any], schema: dict[str, Any], name: str, depth: int = 0
) -> Iterator[Field]:
    """Each text in a schema: its name, its schema, and what makes a whole of a text.

    A whole has what is required, and that text.
    """
    schema = resolved(document, schema)
    if depth == DEPTH or schema.keys() & {"enum", "const"}:
        return
    if schema.get("type") == "string":
        yield name, schema, lambda text: text
    for each in [each for kind in ("anyOf", "oneOf", "allOf") for each in schema.get(kind, [])]:
        yield from fields_of(document, each, name, depth + 1)
    for item, found, make in fields_of(document, schema.get("items", {}), f"{name}[]", depth + 1):
        yield item, found, partial(listed, make)
    least = least_of(document, schema)
    properties = schema.get("properties", {})
    if isinstance(schema.get("additionalProperties"), dict):
        properties = {**properties, "key": schema["additionalProperties"]}
    for key, inner in properties.items():
        part = f"{name}.{key}" if name else key
        for deep, found, make in fields_of(document, inner, part, depth + 1):
            yield deep, found, partial(added, least, key, make)


def listed(make: Make, text: str) -> list[Any]:
    return [make(text)]


def added(least: dict[str, Any], key: str, make: Make, text: str) -> dict[str, Any]:
    return {**least, key: make(text)}


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


def least_of(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What an object must have. A response is not to be waited for."""
    properties = schema.get("properties", {})
    least = {key: example_of(document, properties[key]) for key in schema.get("required", [])}
    return least | ({"background": True} if "background" in properties else {})


def example_of(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    schema = resolved(document, schema)
    if "enum" in schema:
        return schema["enum"][0]
    return schema.get("example", "hello")


def kinds_of(schema: dict[str, Any], ids: Mapping[str, str]) -> list[str]:
    """Which ids a text may be by its schema; of those that may be longer than any id, one."""
    most, pattern = schema.get("maxLength", ID_MAX_CHARS + 1), schema.get("pattern", "")
    found = [kind for kind, text in ids.items() if len(text) <= most and re.search(pattern, text)]
    return found if most <= ID_MAX_CHARS else found[:1]


def nobodys(found: str) -> str:
    """An id of the same kind that nobody has."""
    return re.sub("[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{16}$", lambda old: "0" * len(old[0]), found)


def as_shown(answer) -> Any:
    """A comparable form of an answer: without ids, secrets and digits; of a stream, its head."""
    if answer.is_streamed:
        answer.close()
        return answer.status_code, answer.mimetype
    text = re.sub("[0-9A-HJKMNP-TV-Z]{26}|user-[0-9a-f]{16}", "id", answer.text)
    return answer.status_code, re.sub(r"[0-9]+|(?<=\"(tm|wh)).*?(?=\")", "0", text)


def everything_of(user) -> str:
    """All that a user has, as the lists of the API show it."""
    paths = ("jobs", "broadcasts", "conversations", "keys", "webhooks")
    return json.dumps([user.get(f"/v1/{path}", query_string={"limit": 100}).json for path in paths])
