"""A reference of the settings, made from them; a page of the site (docs/hooks.py)."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config.settings import Settings

FOR_TESTS: Final = {"crash_at", "crash_once"}
ROW: Final = re.compile(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|.*?\| (.*) \|$", re.MULTILINE)
TYPES: Final[dict[Any, str]] = {
    int: "integer",
    float: "number",
    Decimal: "number",
    bool: "`on` or `off`",
    str: "text",
    SecretStr: "secret",
    Path: "path",
}
WORDS: Final = {"ge": "from {}", "gt": "over {}", "le": "to {}", "lt": "below {}"}


def settings_reference(configuration: str) -> str:
    """A Markdown page with each variable, what it may be and its default; its meaning is that of
    the page `configuration`."""
    meanings = _meanings(configuration)
    lines = [
        "# Settings",
        "",
        "Every variable with the values that it may have, generated from the settings.",
        "[Configuration](configuration.md) has what else there is to know.",
        "",
        "| variable | value | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in sorted(Settings.model_fields.items()):
        if name not in FOR_TESTS:
            cells = (f"`{name.upper()}`", _value(field), _default(field), meanings[name.upper()])
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _meanings(configuration: str) -> dict[str, str]:
    """The meaning of each variable in the table of a page."""
    return {
        name: meaning
        for names, meaning in ROW.findall(configuration)
        for name in re.findall(r"[A-Z_]+", names)
    }


def _value(field: FieldInfo) -> str:
    """What a variable may be."""
    kinds = get_args(field.annotation) if _is_union(field.annotation) else (field.annotation,)
    words = [TYPES[kind] for kind in map(_bare, kinds) if kind is not type(None)]
    limits = [limit for each in [field.metadata, *map(_metadata, kinds)] for limit in each]
    return " ".join([*words, *_limits(limits)])


def _limits(metadata: list[Any]) -> Iterator[str]:
    for limit in metadata:
        if pattern := getattr(limit, "pattern", None):
            yield " or ".join(f"`{word}`" for word in re.findall(r"\w+", pattern))
        for name, words in WORDS.items():
            if (bound := getattr(limit, name, None)) is not None:
                yield words.format(f"{bound:,}" if isinstance(bound, int) else bound)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return ""
    return {True: "`on`", False: "`off`"}.get(field.default, f"`{field.default}`")


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if _metadata(annotation) else annotation


def _metadata(annotation: Any) -> list[Any]:
    """The limits in an `Annotated`."""
    found: list[Any] = []
    for each in getattr(annotation, "__metadata__", ()):
        found += each.metadata if isinstance(each, FieldInfo) else [each]
    return found
