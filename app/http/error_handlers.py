"""One table: which failure is which answer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from typing import Any, Final, NoReturn

import structlog
from flask import Blueprint, Flask, Response
from flask.sansio.app import App
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app.http.problems import FieldError, Problem, Refusal
from app.http.validation import field_errors
from config.outages import outages
from models.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    SearchTimedOut,
    TransientError,
    Unauthorized,
)
from models.sqlstates import is_unavailable

RETRY_AFTER_S: Final = 5

# Writes a problem as a facade's clients read it; None for a request that is not one of theirs.
ErrorFormat = Callable[[Problem], Response | None]
FORMATS: Final = "error_formats"

log = structlog.get_logger(__name__)


class InvalidInput(Exception):
    """What was sent does not fit what the view declares."""

    def __init__(self, error: ValidationError) -> None:
        super().__init__(error)
        self.error = error


def refuse_input(error: ValidationError) -> NoReturn:
    """What flask-openapi3 calls. A type of its own: a ValidationError of our making is a 500."""
    raise InvalidInput(error) from None


def format_errors(api: Blueprint, error_format: ErrorFormat) -> None:
    """Have a facade's blueprint bring the facade's error format along.

    It is asked about every failed request of the application, since a path or a method that does
    not exist belongs to no blueprint.
    """
    api.record_once(lambda state: _formats_of(state.app).append(error_format))


def register_errors(app: Flask) -> None:
    """Answer every failure, ours or the framework's, as a problem; or in the format of the facade
    that the request was meant for."""
    formats = _formats_of(app)

    def answer(error: Exception) -> Response:
        problem = problem_of(error)
        answers = (formatted(problem) for formatted in formats)
        return next(filter(None, answers), None) or problem.response()

    app.register_error_handler(Exception, answer)


def _formats_of(app: App) -> list[ErrorFormat]:
    formats: list[ErrorFormat] = app.extensions.setdefault(FORMATS, [])
    return formats


def problem_of(error: Exception) -> Problem:
    """The problem of the nearest class in the table."""
    return next(TABLE[kind](error) for kind in type(error).__mro__ if kind in TABLE)


def _invalid_input(failure: InvalidInput) -> Problem:
    errors = field_errors(failure.error)
    first = errors[0]
    detail = f"{first.field}: {first.message}" if first.field else first.message
    return Problem(422, "invalid_request", detail, errors)


def _invalid_request(error: InvalidRequest) -> Problem:
    errors = (FieldError(field=error.field, code="invalid", message=error.message),)
    return Problem(422, error.code, error.message, errors)


def _not_found(error: NotFound) -> Problem:
    return Problem(404, error.code, error.message)


def _conflict(error: Conflict) -> Problem:
    return Problem(409, error.code, error.message)


def _unauthorized(error: Unauthorized) -> Problem:
    return Problem(401, error.code, error.message, headers={"WWW-Authenticate": "Bearer"})


def _transient(error: TransientError) -> Problem:
    delay = {"Retry-After": str(ceil(error.retry_after or RETRY_AFTER_S))}
    return Problem(503, error.code, error.message, headers=delay)


def _search(error: SearchTimedOut) -> Problem:
    field = FieldError(field="q", code="too_slow", message=error.message)
    return replace(_transient(error), errors=(field,))


def _database(error: DBAPIError) -> Problem:
    return _database_away(error) if is_unavailable(error) else _internal(error)


def _database_away(error: Exception) -> Problem:
    outages.note("database", error)
    return Problem(
        503,
        "database_unavailable",
        "The database can't be reached. Try again.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


HTTP_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


def _http(error: HTTPException) -> Problem:
    status = error.code or 500
    code = HTTP_CODES.get(status) or ("bad_request" if status < 500 else "internal")
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return Problem(status, code, error.description or "", headers=headers)


def _internal(error: Exception) -> Problem:
    log.error("unhandled failure", exc_info=error)
    return Problem(500, "internal", "Something went wrong here; the log knows what.")


TABLE: Final[Mapping[type[BaseException], Callable[[Any], Problem]]] = {
    Refusal: lambda refusal: refusal.problem,
    InvalidInput: _invalid_input,
    InvalidRequest: _invalid_request,
    NotFound: _not_found,
    Conflict: _conflict,
    Unauthorized: _unauthorized,
    SearchTimedOut: _search,
    TransientError: _transient,
    DBAPIError: _database,
    PoolTimeout: _database_away,
    HTTPException: _http,
    Exception: _internal,
}
