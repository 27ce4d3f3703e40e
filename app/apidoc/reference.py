"""A reference of the API, made from its OpenAPI document; a page of the site (docs/hooks.py)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Node = Mapping[str, Any]
METHODS: Final = ("get", "post", "put", "patch", "delete")
INTRODUCTION: Final = """\
# API reference

Every call, generated from the OpenAPI document, which a running installation has at
`/openapi.json`, and as a page to try calls at `/docs`. The [API guide](api.md) explains how they
fit together; [Error codes](errors.md) has all errors.
"""


def api_reference(document: Node) -> str:
    """A Markdown page with every call and every object of an OpenAPI document."""
    parts = [INTRODUCTION]
    for tag in document.get("tags", ()):
        parts.append(f"## {tag['name']}\n\n{tag.get('description', '')}\n")
        parts += [_call(*each) for each in _calls(document, tag["name"])]
    parts.append("## Objects\n")
    parts += [_object(*each) for each in sorted(document["components"]["schemas"].items())]
    return "\n".join(parts)


def _calls(document: Node, tag: str) -> Iterator[tuple[str, str, Node]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods and tag in methods[method].get("tags", ()):
                yield method.upper(), path, methods[method]


def _call(method: str, path: str, call: Node) -> str:
    lines = [f"### `{method} {path}`", ""]
    lines += [text for name in ("summary", "description") if (text := call.get(name))]
    lines += ["", *_parameters(call), *_body(call)]
    lines += ["| response | |", "| --- | --- |"]
    for status, response in call["responses"].items():
        kind = _content(response)
        lines.append(
            f"| {status} | {_cell(response.get('description', ''))}{kind and f': {kind}'} |"
        )
    return "\n".join([*lines, ""])


def _parameters(call: Node) -> list[str]:
    if not call.get("parameters"):
        return []
    rows = [
        f"| `{each['name']}` | {each['in']}{', required' if each.get('required') else ''} "
        f"| {_type(each.get('schema', {}))} | {_cell(each.get('description', ''))} |"
        for each in call["parameters"]
    ]
    return ["| parameter | in | type | meaning |", "| --- | --- | --- | --- |", *rows, ""]


def _body(call: Node) -> list[str]:
    kind = _content(call.get("requestBody", {}))
    return [f"Body: {kind}", ""] if kind else []


def _content(node: Node) -> str:
    """The types of a body, by their media type."""
    content = node.get("content", {})
    return ", ".join(
        f"{_type(each.get('schema', {}))} (`{name}`)" for name, each in content.items()
    )


def _object(name: str, schema: Node) -> str:
    lines = [f"### {name}", "", schema.get("description", ""), ""]
    if fields := schema.get("properties"):
        required = schema.get("required", ())
        lines += ["| field | type | meaning |", "| --- | --- | --- |"]
        for field, node in fields.items():
            must = "" if field in required else " (optional)"
            lines.append(
                f"| `{field}` | {_type(node)}{must} | {_cell(node.get('description', ''))} |"
            )
    elif "enum" in schema or "type" in schema:
        lines.append(f"Type: {_type(schema)}")
    return "\n".join([*lines, ""])


def _type(node: Node) -> str:
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in node:
            return " or ".join(dict.fromkeys(map(_type, node[several])))
    if "enum" in node:
        return ", ".join(f"`{each}`" for each in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    kind = node.get("type", "any")
    if kind == "array":
        return f"list of {_type(node.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    """A text in one cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
