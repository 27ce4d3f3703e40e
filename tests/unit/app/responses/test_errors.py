"""Failures in OpenAI's shape."""

import pytest
from sqlalchemy.exc import OperationalError

from app.field_codes import RESPONSES
from app.responses.errors import CODES, FIELD_CODES, speaks_openai

KEYS = ["message", "type", "param", "code"]
UNKNOWN = "/v1/responses/resp_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


@pytest.mark.parametrize(
    ("path", "openai"),
    [
        ("/v1/responses", True),
        ("/v1/responses/x/y", True),
        ("/v1/responsesx", False),
        ("/v1/jobs", False),
    ],
)
def test_only_the_facade_speaks_openai(path, openai):
    assert speaks_openai(path) is openai


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
