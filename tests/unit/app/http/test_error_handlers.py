"""Which answer each failure gets."""

import pytest
from flask import Blueprint, Flask, Response, request
from kombu.exceptions import OperationalError as BrokerError
from pydantic import ValidationError
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.http.error_handlers import format_errors, problem_of, register_errors
from app.http.errors import TooManyStreamsOfYours
from app.http.problems import Problem
from app.http.validation import MAX_ERRORS, field_errors
from app.schemas.jobs import NewJob
from models.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    NotFound,
    ProviderRejected,
    TrimindError,
    Unauthorized,
)

SECRET = "s" * 32
WHERE = "connection to postgresql://trimind:hunter22@db.internal:5432/trimind failed"
KEYS = ["type", "title", "status", "detail", "code", "request_id", "errors"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("x"), 404, "not_found"),
        (InvalidRequest("x", "mind"), 422, "invalid_request"),
        (Unauthorized("x"), 401, "unauthorized"),
        (DatabaseUnavailable("x"), 503, "database_unavailable"),
        (OperationalError("SELECT 1", {}, Exception("refused")), 503, "database_unavailable"),
        (PoolTimeout("QueuePool limit"), 503, "database_unavailable"),
        (DataError("SELECT 1", {}, Exception("bad text")), 500, "internal"),
        (TrimindError("x"), 500, "internal"),
        (ProviderRejected("x"), 500, "internal"),
        (TooManyStreamsOfYours("x"), 429, "too_many_streams_of_yours"),
        (KeyError("x"), 500, "internal"),
    ],
)
def test_every_failure_has_a_status_and_a_code(error, status, code):
    problem = problem_of(error)

    assert (problem.status, problem.code) == (status, code)


@pytest.mark.parametrize(("delay", "header"), [(None, "5"), (0.2, "1"), (7.5, "8")])
def test_a_failure_that_may_pass_says_when_to_try_again(delay, header):
    assert problem_of(DatabaseUnavailable("x", delay)).headers["Retry-After"] == header


def test_an_answer_names_no_more_than_twenty_of_a_bodys_mistakes():
    body = {f"unknown_{number}": number for number in range(20_000)}

    with pytest.raises(ValidationError) as refused:
        NewJob.model_validate(body)

    assert len(field_errors(refused.value)) == MAX_ERRORS


def test_an_unexpected_failure_says_nothing_of_itself():
    assert "s3cret" not in problem_of(RuntimeError("s3cret")).detail


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/jobs/%00", 404, "not_found"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("POST", "/v1/jobs", 401, "unauthorized"),
        ("GET", "/api/messages", 401, "unauthorized"),
        ("POST", "/api/v1/jobs/process-ai-job", 401, "unauthorized"),
    ],
)
def test_every_refusal_is_a_problem_with_the_requests_id(client, method, path, status, code):
    response = client.open(path, method=method, headers={"X-Request-Id": "abc-1"})

    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert list(response.json) == KEYS
    assert response.json["code"] == code
    assert response.json["status"] == status
    assert response.json["request_id"] == response.headers["X-Request-Id"] == "abc-1"
    assert response.headers["Cache-Control"] == "no-store"


def test_a_405_lists_the_allowed_methods(client):
    assert client.delete("/healthz").headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_body_over_the_limit_is_refused_before_it_is_read(client):
    response = client.post(
        "/api/v1/jobs/process-ai-job",
        headers={"Authorization": f"Bearer {SECRET}"},
        json={"message": "x" * 100_000},
    )

    assert response.status_code == 413
    assert response.json["code"] == "body_too_large"


@pytest.mark.parametrize(
    ("data", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b'"{}"', "application/json", 422, "invalid_request"),
        (b"{}", "application/json", 422, "invalid_request"),
    ],
)
def test_a_body_is_refused_for_what_is_wrong_with_it(client, data, content_type, status, code):
    response = client.post(
        "/api/v1/jobs/process-ai-job",
        headers={"Authorization": f"Bearer {SECRET}"},
        data=data,
        content_type=content_type,
    )

    assert (response.status_code, response.json["code"]) == (status, code)


def test_an_unexpected_failure_is_in_the_log_and_not_in_the_answer(app, capfd):
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("s3cret")

    response = app.test_client().get("/broken")

    assert response.status_code == 500
    assert response.json["code"] == "internal"
    assert "s3cret" not in response.text
    written = capfd.readouterr()
    assert "s3cret" in written.out + written.err


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(WHERE),
        KeyError(WHERE),
        PoolTimeout(WHERE),
        OperationalError(WHERE, {}, Exception(WHERE)),
        DataError(WHERE, {"password": WHERE}, Exception(WHERE)),
        RedisError(WHERE),
        BrokerError(WHERE),
        TrimindError(WHERE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_failure_tells_a_client_where_a_server_is_or_what_was_called(app, error):
    @app.get("/broken")
    def broken() -> None:
        raise error

    response = app.test_client().get("/broken")

    assert response.status_code >= 500
    for secret in ("hunter22", "db.internal", "Traceback", "broken", ".py"):
        assert secret not in response.text + str(response.headers)


def test_a_facades_blueprint_brings_its_error_format_also_for_calls_that_do_not_exist():
    def as_text(problem: Problem) -> Response | None:
        mine = request.path.startswith("/facade/")
        return Response(problem.code, problem.status) if mine else None

    api = Blueprint("facade", __name__, url_prefix="/facade")
    format_errors(api, as_text)
    api.get("/broken")(lambda: str(1 / 0))
    with_it, without_it = Flask("with"), Flask("without")
    for app in (with_it, without_it):
        register_errors(app)
    with_it.register_blueprint(api)
    client = with_it.test_client()

    asked = ("GET", "/facade/broken"), ("GET", "/facade/nothing"), ("POST", "/facade/broken")
    answers = [client.open(path, method=method) for method, path in asked]

    codes = ["internal", "not_found", "method_not_allowed"]
    assert [answer.text for answer in answers] == codes
    assert client.get("/nothing").mimetype == "application/problem+json"
    other = without_it.test_client().get("/facade/nothing")
    assert other.mimetype == "application/problem+json"
