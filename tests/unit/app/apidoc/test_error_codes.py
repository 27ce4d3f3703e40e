"""The documented error codes are exactly those that are raised."""

import ast
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException

from app.apidoc.error_codes import CODES, OF_CALLS, OF_JOBS, meaning, page
from app.apidoc.field_codes import FIELDS, RESPONSES
from app.http.error_handlers import HTTP_ERRORS, problem_of
from app.http.errors import BadRequest
from app.http.validation import WORDS
from app.openai.errors import FIELD_CODES
from models.errors import NotFound, Poison, TrimindError

ROOT = Path(__file__).parents[4]
HTTP_STATUSES = set(HTTPStatus)


def calls(*folders: str) -> Iterator[ast.Call]:
    """Every call expression in the source of these folders."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            yield from _calls_of(path)


@cache
def _calls_of(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def named(call: ast.Call, name: str) -> bool:
    function = call.func
    return name == (
        function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    )


def constants(call: ast.Call) -> list[object]:
    return [argument.value for argument in call.args if isinstance(argument, ast.Constant)]


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def test_every_error_that_can_be_raised_is_documented():
    concrete = {kind for kind in subclasses(TrimindError) if not kind.__subclasses__()}

    assert {BadRequest, NotFound, Poison} <= concrete
    assert concrete == set(CODES)


@pytest.mark.parametrize("kind", CODES)
def test_a_code_stands_whole_on_its_class(kind):
    assert {"code", "advice", "__doc__"} <= set(vars(kind))
    assert meaning(kind).endswith(".")
    assert kind.advice.endswith(".")
    assert kind.status is None or kind.status in HTTP_STATUSES


def test_no_two_classes_have_the_same_code():
    assert len({kind.code for kind in CODES}) == len(CODES)


def test_no_code_is_written_outside_its_class():
    """What is raised, answered or written into a job names the class."""
    strings = {
        constant
        for call in calls("app", "models", "tasks")
        if named(call, "Problem") or named(call, "GiveUp") or named(call, "jsonb_build_object")
        for constant in constants(call)
    }

    assert "The job did not finish by its deadline." in strings
    assert not strings & {kind.code for kind in CODES}


def test_a_failure_of_http_has_the_code_of_its_status():
    assert {404, 405, 413, 415} == set(HTTP_ERRORS)
    assert all(kind.status == status for status, kind in HTTP_ERRORS.items())


@pytest.mark.parametrize(
    "status", [400, 403, 404, 405, 408, 411, 413, 414, 415, 429, 431, 500, 501]
)
def test_whatever_http_refuses_ends_as_a_documented_code(status):
    problem = problem_of(_http_exception(status))

    assert problem.status == status
    assert problem.kind in OF_CALLS


def test_every_code_of_a_field_is_documented():
    written = {code for code, _ in WORDS.values()}
    for call in calls("app"):
        if named(call, "invalid"):
            written.update(constants(call)[1:2] if len(constants(call)) > 1 else [])
        if named(call, "PydanticCustomError") and constants(call):
            kind = str(constants(call)[0])
            written.add(WORDS.get(kind, (kind, ""))[0])
        if named(call, "FieldError"):
            written.update(
                keyword.value.value
                for keyword in call.keywords
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
            )

    assert {"contradiction", "blank", "invalid"} <= written
    assert written <= set(FIELDS)


def test_every_code_that_the_facade_writes_is_documented():
    written = {
        argument.value
        for call in calls("app/openai")
        if named(call, "refused") and isinstance(argument := call.args[1], ast.Constant)
    }

    assert "model_not_found" in written
    assert written <= set(FIELDS) | set(RESPONSES)
    assert set(FIELD_CODES.values()) <= set(RESPONSES)
    assert set(FIELD_CODES) <= set(FIELDS) | set(RESPONSES)


def test_the_page_is_what_the_table_says():
    written = (ROOT / "docs" / "errors.md").read_text()

    assert written == page(), "run: python -m app.apidoc.error_codes > docs/errors.md"


def test_the_openapi_document_shows_every_code(client):
    described = client.get("/openapi.json").json["info"]["description"]

    for code in {kind.code for kind in (*OF_CALLS, *OF_JOBS)} | set(FIELDS):
        assert f"| `{code}` |" in described


def _http_exception(status: int) -> Exception:
    error = HTTPException("x")
    error.code = status
    return error
