"""The runbook has an entry for each line of the log at WARNING or above, and for each alert."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = ROOT / "docs" / "runbook.md"
FOLDERS: Final = ("app", "config", "deploy", "models", "tasks")
LEVELS: Final = {"warning", "error", "exception", "critical"}
ALERT: Final = re.compile(r"^\s*-\s*alert:\s*(\w+)", re.MULTILINE)


@cache
def written() -> list[re.Pattern[str]]:
    """What the code logs; what it fills in may be anything."""
    paths = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS)
    return [pattern for path in paths for pattern in written_in(path.read_text())]


def written_in(code: str) -> Iterator[re.Pattern[str]]:
    if not any(f".{level}" in code for level in LEVELS):
        return  # to parse it would take longer
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and node.args and is_warning(node.func):
            yield re.compile(pattern_of(node.args[0]), re.DOTALL)


def is_warning(function: ast.expr) -> bool:
    """Whether this is `log.warning`, or one of the other levels."""
    if isinstance(function, ast.IfExp):
        return is_warning(function.body) or is_warning(function.orelse)
    return isinstance(function, ast.Attribute) and function.attr in LEVELS


def pattern_of(event: ast.expr) -> str:
    parts = event.values if isinstance(event, ast.JoinedStr) else [event]
    return "".join(
        re.sub("%[sr].*|%[sr]", ".+", re.escape(str(part.value)))
        if isinstance(part, ast.Constant)
        else ".+"
        for part in parts
    )


def entries(heading: str) -> set[str]:
    """What stands in the first column of the tables under a heading."""
    section = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    (text,) = (each for each in section if each.startswith(heading))
    cells = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    return {entry for cell in cells for entry in re.findall(r"`([^`]+)`", cell)}


def test_every_warning_has_an_entry() -> None:
    patterns, lines = written(), entries("Lines of the log")

    assert len(patterns) > 40
    assert [it.pattern for it in patterns if not any(map(it.fullmatch, lines))] == []


def test_every_entry_is_a_line_that_the_code_logs() -> None:
    assert {
        it for it in entries("Lines of the log") if not any(p.fullmatch(it) for p in written())
    } == set()


def test_every_alert_has_an_entry() -> None:
    rules = [path.read_text() for path in (ROOT / "deploy").rglob("*.y*ml")]

    assert {name for text in rules for name in ALERT.findall(text)} == entries("Alerts")
