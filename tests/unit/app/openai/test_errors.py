"""Failures in OpenAI's shape."""

import re
from importlib.metadata import files

import pytest
from sqlalchemy.exc import OperationalError

from app.apidoc.field_codes import RESPONSES
from app.openai.errors import CODES, FIELD_CODES, speaks_openai

KEYS = ["message", "type", "param", "code"]
UNKNOWN = "/v1/responses/resp_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


WRITTEN = re.compile(r'"(/[a-z_]+(?:/[^"?]*)?)[?"]')


def calls_of_the_package() -> set[str]:
    """The path of every call of the `openai` package, with an id for each parameter."""
    sources = [file for file in files("openai") or () if file.suffix == ".py"]
    resources = [file for file in sources if "resources" in file.parts]
    written = {path for file in resources for path in WRITTEN.findall(file.read_text())}
    return {f"/v1{re.sub('{[a-z_]+}', 'id_1', path)}" for path in written if "{self" not in path}


def test_every_call_of_the_package_is_refused_in_openais_shape_or_is_ours(client):
    calls = calls_of_the_package()

    assert {"/v1/chat/completions", "/v1/models", "/v1/models/id_1", "/v1/files"} <= calls
    ours = {path for path in calls if not speaks_openai(path)}
    assert ours == {"/v1/conversations", "/v1/conversations/id_1"}
    for path in calls - ours - {"/v1/responses"}:
        response = client.post(path, json={})
        assert (response.status_code, response.json["error"]["code"]) == (404, "not_found"), path
        assert "POST /v1/responses" in response.json["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/conversations", "/v1/conversations/conv_1"])
def test_at_a_call_that_is_ours_as_well_the_package_reads_its_own_shape(client, path):
    packages = client.post(path, headers={"X-Stainless-Lang": "js"})
    anybodys = client.post(path)

    assert list(packages.json["error"]) == KEYS
    assert anybodys.mimetype == "application/problem+json"
    assert packages.status_code == anybodys.status_code
    jobs = client.post("/v1/jobs", headers={"X-Stainless-Lang": "js"})
    assert jobs.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs", "/v1/responsesx", "/v1", "/v1/", "/v1/x", "/v2/responses", "/chat/completions"],
)
def test_no_other_call_speaks_openai(path):
    assert not speaks_openai(path)


def test_a_method_that_is_not_there_says_what_calls_there_are(client):
    response = client.delete(f"{UNKNOWN}")

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "GET /v1/responses/{id}" in response.json["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/responses", 401, "invalid_api_key"),
        ("GET", UNKNOWN, 401, "invalid_api_key"),
        ("GET", "/v1/responses", 405, "method_not_allowed"),
        ("PUT", UNKNOWN, 405, "method_not_allowed"),
        ("GET", f"{UNKNOWN}/input_items", 404, "not_found"),
        ("GET", "/v1/responses/%00", 404, "not_found"),
        ("GET", "/v1/responses/x" + "y" * 5000, 404, "not_found"),
    ],
)
def test_every_refusal_has_openais_shape(client, method, path, status, code):
    response = client.open(path, method=method)

    assert response.status_code == status
    assert response.mimetype == "application/json"
    assert list(response.json) == ["error"]
    error = response.json["error"]
    assert list(error) == KEYS
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, code)
    assert error["message"]
    assert response.headers["X-Request-Id"]


def test_a_failure_of_ours_is_a_server_error_and_says_when_to_try_again(app):
    @app.get("/v1/responses/broken")
    def broken() -> None:
        raise OperationalError("SELECT 1", {}, Exception("refused"))

    response = app.test_client().get("/v1/responses/broken")

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    error = response.json["error"]
    assert (error["type"], error["code"]) == ("server_error", "database_unavailable")


def test_every_code_of_openais_is_documented():
    assert set(FIELD_CODES.values()) | set(CODES.values()) <= set(RESPONSES)
