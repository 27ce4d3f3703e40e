"""Complete the OpenAPI document with what holds for many calls.

flask-openapi3 knows neither the headers of responses nor the schema of an object's keys, declares
an optional parameter as nullable, and leaves docstrings broken into lines.
"""

from collections.abc import Iterator
from typing import Any, Final

from app.http.idempotency import REPLAYED
from app.http.limit_fields import LEFT, OPENAI_LEFT, OPENAI_LIMIT, OPENAI_RESET, POLICY
from app.http.problems import title_of
from app.http.request_log import HEADER as REQUEST_ID
from app.http.scopes import scope_of
from app.schemas.headers import APPLIED, IDEMPOTENCY_KEY, PREFER
from app.schemas.jobs import METADATA_NAME_CHARS, METADATA_VALUE_CHARS

Node = dict[str, Any]

HEADERS: Final[dict[str, Node]] = {
    REQUEST_ID: {
        "description": "The request's own `X-Request-Id` if it is safe to log, else a new one.",
        "required": True,
        "schema": {"type": "string"},
        "example": "req_01K8Z5M5V4Q2W9X7Y3T1N6P0RC",
    },
    "Location": {
        "description": "The path of the created resource.",
        "required": True,
        "schema": {"type": "string"},
        "example": "/v1/jobs/job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC",
    },
    "ETag": {
        "description": "Identifies this state. Send it as `If-None-Match`.",
        "required": True,
        "schema": {"type": "string"},
    },
    APPLIED: {
        "description": "Present if the server waited, with the longest wait in seconds.",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
        "example": "wait=10",
    },
    REPLAYED: {
        "description": "Present if the `Idempotency-Key` was used before: this is the first "
        "request's response.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme to use.",
        "required": True,
        "schema": {"type": "string", "enum": ["Bearer"]},
    },
    POLICY: {
        "description": "Your limits (draft-ietf-httpapi-ratelimit-headers-10): `q`, the most that "
        "you may have, of which unit, `qu`, and within how many seconds, `w`. Missing if you have "
        "none.",
        "schema": {"type": "string"},
        "example": '"requests";q=60000;w=60',
    },
    LEFT: {
        "description": "What is left of them, `r`, and for how many seconds that holds, `t`.",
        "schema": {"type": "string"},
        "example": '"requests";r=59990;t=60',
    },
    OPENAI_LIMIT: {
        "description": "How many requests you may send within a minute. Missing if there is no "
        "limit.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 60000,
    },
    OPENAI_LEFT: {
        "description": "How many of them are left.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 59990,
    },
    OPENAI_RESET: {
        "description": "For how long that holds; after a refusal, when to try again.",
        "schema": {"type": "string", "pattern": "^[0-9]+s$"},
        "example": "60s",
    },
    "Retry-After": {
        "description": "Seconds to wait before retrying.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
}
KEY: Final = "api_key"
SCOPE: Final = "x-required-scope"
METADATA_VALUE: Final[Node] = {"type": "string", "maxLength": METADATA_VALUE_CHARS}


def postprocess(document: Node) -> Node:
    """Add to the document what it lacks, and return it."""
    document["components"]["headers"] = HEADERS
    document["info"]["contact"] = {"name": "The operator of this server"}
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    document["servers"] = [{"url": "/", "description": "This server."}]
    for node in _nodes(document["components"]["schemas"]):
        if node.get("additionalProperties") == METADATA_VALUE:
            node["propertyNames"] = {"maxLength": METADATA_NAME_CHARS}
        if isinstance(text := node.get("description"), str):
            node["description"] = text.replace("\n", " ")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _name_scope(method.upper(), path, operation)
            _finish_call(operation)
    return document


def _name_scope(method: str, path: str, operation: Node) -> None:
    """Name the scope of a call that users make, and the refusal of those who lack it.

    As an extension: a scheme that is not OAuth's has roles, which linters take for unknown scopes.
    """
    roles = [way[KEY] for way in operation.get("security", []) if KEY in way]
    if not roles:
        return
    [scope] = roles[0] or [scope_of(method, path)]
    operation[SCOPE] = scope
    operation["security"] = [{name: [] for name in way} for way in operation["security"]]
    responses = operation["responses"]
    responses["403"] = {**responses["401"], "description": title_of(403)}
    operation["responses"] = dict(sorted(responses.items()))


def _finish_call(operation: Node) -> None:
    operation["summary"] = operation["summary"].removesuffix(".")
    operation["description"] = _paragraphs(operation["description"])
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        parameter["schema"] = _never_null(parameter["schema"])
        if parameter["in"] != "path":  # Swagger UI would send the example key or deadline
            for node in (parameter, parameter["schema"]):
                node.pop("example", None)
    asked = {parameter["name"] for parameter in parameters}
    for status, response in operation["responses"].items():
        names = _headers_of(status, asked, operation)
        refs = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = refs | response.get("headers", {})
    operation.setdefault("security", [])  # explicit, so that linters don't report it as missing


def _paragraphs(lines: str) -> str:
    """The text of a docstring's lines, which flask-openapi3 has joined."""
    return lines.replace("<br/><br/>", "\n\n").replace("<br/>", " ").strip()


def _headers_of(status: str, asked: set[str], operation: Node) -> Iterator[str]:
    """The names of the headers that a response of this status has, always or sometimes."""
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
    yield from _limits_of(status, operation)
    yield from _delays_of(status, asked, operation)


def _limits_of(status: str, operation: Node) -> Iterator[str]:
    if status in ("402", "429"):
        yield from (POLICY, LEFT, "Retry-After")
    elif status < "300" and "429" in operation["responses"]:
        yield from (POLICY, LEFT)
    if operation.get("tags") == ["responses"] and (status < "300" or status == "429"):
        yield from (OPENAI_LIMIT, OPENAI_LEFT, OPENAI_RESET)


def _delays_of(status: str, asked: set[str], operation: Node) -> Iterator[str]:
    later = status == "503" and "security" in operation
    if later or (status == "409" and IDEMPOTENCY_KEY in asked):
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
    """Yield every object in a node, including itself."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _nodes(child)
