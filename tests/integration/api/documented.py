"""The calls of /openapi.json, and what a user has whose ids they take."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

METHODS: Final = ("get", "post", "put", "patch", "delete")
ULID: Final = "[0-9A-HJKMNP-TV-Z]{26}"
HELLO: Final = {"message": "hello"}


@dataclass(frozen=True)
class Call:
    """A call that users make, with a body and ids that are examples."""

    scope: str
    method: str
    path: str
    body: Any
    ids: dict[str, str]
    operation: Mapping[str, Any]


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


def calls(document: dict[str, Any]) -> Iterator[Call]:
    """Each call that users make."""
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = item.get(method, {})
            if any("api_key" in way for way in operation.get("security", [])):
                examples = {
                    each["name"]: each["schema"]["pattern"].strip("^$").replace(ULID, "0" * 26)
                    for each in operation.get("parameters", [])
                    if each["in"] == "path"
                }
                body, scope = body_of(document, operation), operation["x-required-scope"]
                yield Call(scope, method.upper(), path, body, examples, operation)


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


def described(answer) -> str:
    """What an answer says, without the ids in it."""
    return re.sub("[a-z]+_[0-9A-Z]{26}", "id", detail_of(answer))
