"""Every code is documented: those that are raised, and no others."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.exceptions import HTTPException

from app.api.jobs import ENDED
from app.apidoc.error_codes import OF_A_JOB, PROBLEMS, UNSEEN, page
from app.apidoc.field_codes import FIELDS, RESPONSES
from app.http.error_handlers import HTTP_CODES, problem_of
from app.http.validation import WORDS
from models.errors import TrimindError

ROOT = Path(__file__).parents[4]
DOCUMENTED = {error.code for error in (*PROBLEMS, *OF_A_JOB, *UNSEEN)}
BY_STATUS = {(error.status, error.code) for error in PROBLEMS}


def calls(*folders: str) -> Iterator[ast.Call]:
    """Every call that is written in the source of these folders."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield node


def named(call: ast.Call, name: str) -> bool:
    function = call.func
    return name == (
        function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    )


def constants(call: ast.Call) -> list[object]:
    return [argument.value for argument in call.args if isinstance(argument, ast.Constant)]


def subclasses(kind: type) -> Iterator[type]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def written_problems() -> set[tuple[object, ...]]:
    found = [constants(call) for call in calls("app") if named(call, "Problem")]
    return {tuple(values[:2]) for values in found if len(values) > 1 and isinstance(values[0], int)}


def test_every_problem_that_the_source_writes_is_documented_with_its_status():
    written = written_problems()

    assert (422, "idempotency_key_reused") in written
    assert {(status, code) for status, code in written if isinstance(code, str)} <= BY_STATUS


def test_every_end_of_a_job_and_every_failure_of_http_is_documented_with_its_status():
    assert {(409, code) for code in ENDED.values()} <= BY_STATUS
    assert set(HTTP_CODES.items()) <= BY_STATUS


def test_every_error_that_has_a_name_is_documented():
    codes = {kind.code for kind in subclasses(TrimindError)}

    assert codes <= DOCUMENTED


def test_every_code_that_the_database_writes_into_a_job_is_documented():
    written = set()
    for call in calls("models", "tasks"):
        if named(call, "jsonb_build_object") and constants(call)[:1] == ["code"]:
            written.add(constants(call)[1])
        if named(call, "GiveUp"):
            written.update(constants(call)[:1])

    assert {"poison", "deadline_exceeded", "internal"} <= written
    assert written <= {error.code for error in OF_A_JOB}


@pytest.mark.parametrize(
    "status", [400, 403, 404, 405, 408, 411, 413, 414, 415, 429, 431, 500, 501]
)
def test_whatever_http_refuses_ends_as_a_documented_code(status):
    problem = problem_of(_http_exception(status))

    assert problem.status == status
    assert problem.code in {error.code for error in PROBLEMS}


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
    assert written <= set(RESPONSES)


def test_nothing_is_documented_twice():
    for table in (PROBLEMS, OF_A_JOB, UNSEEN):
        assert len({(error.status, error.code) for error in table}) == len(table)


def test_the_page_is_what_the_table_says():
    written = (ROOT / "docs" / "errors.md").read_text()

    assert written == page(), "run: python -m app.apidoc.error_codes > docs/errors.md"


def test_the_openapi_document_shows_every_code(client):
    described = client.get("/openapi.json").json["info"]["description"]

    for code in {error.code for error in (*PROBLEMS, *OF_A_JOB)} | set(FIELDS):
        assert f"| `{code}` |" in described


def _http_exception(status: int) -> Exception:
    error = HTTPException("x")
    error.code = status
    return error
