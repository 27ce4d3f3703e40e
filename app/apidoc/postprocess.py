"""The OpenAPI document, finished: what holds of many calls is said of each of them.

flask-openapi3 knows neither the headers of answers nor the shape of an object's names, and it calls
a parameter that may be left out null.
"""

from collections.abc import Iterator
from typing import Any, Final

from app.http.idempotency import REPLAYED
from app.http.request_log import HEADER as REQUEST_ID
from app.schemas.headers import APPLIED, IDEMPOTENCY_KEY, PREFER
from app.schemas.jobs import METADATA_NAME_CHARS, METADATA_VALUE_CHARS

Node = dict[str, Any]

HEADERS: Final[dict[str, Node]] = {
    REQUEST_ID: {
        "description": "The caller's own, if it can be logged; else a new one.",
        "required": True,
        "schema": {"type": "string"},
        "example": "req_01K8Z5M5V4Q2W9X7Y3T1N6P0RC",
    },
    "Location": {
        "description": "Where to read what was created.",
        "required": True,
        "schema": {"type": "string"},
        "example": "/v1/jobs/job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC",
    },
    "ETag": {
        "description": "Names this state: send it as `If-None-Match`.",
        "required": True,
        "schema": {"type": "string"},
    },
    APPLIED: {
        "description": "Where it was waited: for how many seconds at most.",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
        "example": "wait=10",
    },
    REPLAYED: {
        "description": "Where the key was used before: this is the answer that it got.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {
        "description": "What to send.",
        "required": True,
        "schema": {"type": "string", "enum": ["Bearer"]},
    },
    "Retry-After": {
        "description": "Seconds until it is worth trying again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
}
METADATA_VALUE: Final[Node] = {"type": "string", "maxLength": METADATA_VALUE_CHARS}


def postprocess(document: Node) -> Node:
    """The same document, with what it lacks."""
    document["components"]["headers"] = HEADERS
    document["info"]["contact"] = {"name": "Whoever runs this server"}
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    document["servers"] = [{"url": "/", "description": "Where this document is."}]
    for node in _nodes(document["components"]["schemas"]):
        if node.get("additionalProperties") == METADATA_VALUE:
            node["propertyNames"] = {"maxLength": METADATA_NAME_CHARS}
    for item in document["paths"].values():
        for operation in item.values():
            _finish_call(operation)
    return document


def _finish_call(operation: Node) -> None:
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        parameter["schema"] = _never_null(parameter["schema"])
        if parameter["in"] != "path":  # Swagger UI would send it: a fixed key, a fixed deadline
            for node in (parameter, parameter["schema"]):
                node.pop("example", None)
    asked = {parameter["name"] for parameter in parameters}
    for status, response in operation["responses"].items():
        names = _headers_of(status, asked, operation)
        refs = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = refs | response.get("headers", {})
    operation.setdefault("security", [])  # said, so that no linter takes it for forgotten


def _headers_of(status: str, asked: set[str], operation: Node) -> Iterator[str]:
    """The names of the headers that an answer of this status has, always or at times."""
    yield REQUEST_ID
    if status in ("201", "202"):
        yield "Location"
    if status in ("200", "304") and "304" in operation["responses"]:
        yield "ETag"
    if status < "400" and PREFER in asked:
        yield APPLIED
    if status < "300" and IDEMPOTENCY_KEY in asked:
        yield REPLAYED
    if status == "401":
        yield "WWW-Authenticate"
    if status == "503" and "security" in operation:
        yield "Retry-After"
    if status == "409" and IDEMPOTENCY_KEY in asked:
        yield "Retry-After"


def _never_null(schema: Node) -> Node:
    options = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(options) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    whole = {**_never_null(options[0]), **rest}
    if "enum" in whole:
        whole["enum"] = [value for value in whole["enum"] if value is not None]
    return whole


def _nodes(node: Any) -> Iterator[Node]:
    """Every object in it, itself among them."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _nodes(child)
