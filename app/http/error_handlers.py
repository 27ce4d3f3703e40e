"""The problem for each error. A code's status is on its class."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from typing import Any, Final, NoReturn

import structlog
import werkzeug.exceptions
from flask import Blueprint, Flask, Response
from flask.sansio.app import App
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from app.http.errors import (
    BadRequest,
    BodyTooLarge,
    MethodNotAllowed,
    StreamTokenExpired,
    UnsupportedMediaType,
)
from app.http.limit_fields import Standing, show
from app.http.problems import FieldError, Problem, Refusal
from app.http.validation import field_errors
from config.outages import outages
from models.errors import (
    BudgetExceeded,
    DatabaseUnavailable,
    Internal,
    InvalidRequest,
    NotFound,
    SearchTimedOut,
    TransientError,
    TrimindError,
    Unauthorized,
)
from models.sqlstates import is_of_deleted_user, is_unavailable

RETRY_AFTER_S: Final = 5
# The fields of limits have no fractions.
MICRO: Final = 1_000_000
MICRO_USD: Final = "micro-usd"
DATABASE_UNAVAILABLE: Final = "The database is unavailable. Try again."

# Returns a problem in the format of a facade; None if the request is not for the facade.
ErrorFormat = Callable[[Problem], Response | None]
FORMATS: Final = "error_formats"

log = structlog.get_logger(__name__)


class InvalidInput(Exception):
    """The request does not match what the view declares."""

    def __init__(self, error: ValidationError) -> None:
        super().__init__(error)
        self.error = error


def refuse_input(error: ValidationError) -> NoReturn:
    """Called by flask-openapi3. Its own type, since a ValidationError of our own is a 500."""
    raise InvalidInput(error) from None


def format_errors(api: Blueprint, error_format: ErrorFormat) -> None:
    """Register a facade's error format with the facade's blueprint.

    It is called for every failed request of the application, since a path or a method that does not
    exist belongs to no blueprint.
    """
    api.record_once(lambda state: _formats_of(state.app).append(error_format))


def register_errors(app: Flask) -> None:
    """Answer every error, ours or the framework's, with a problem, or in the format of the facade
    that the request was for."""
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
    """Return the problem for the nearest class in the table."""
    return next(TABLE[kind](error) for kind in type(error).__mro__ if kind in TABLE)


def _invalid_input(failure: InvalidInput) -> Problem:
    errors = field_errors(failure.error)
    first = errors[0]
    detail = f"{first.field}: {first.message}" if first.field else first.message
    return Problem(InvalidRequest, detail, errors)


def _invalid_request(error: InvalidRequest) -> Problem:
    field = FieldError(field=error.field, code="invalid", message=error.message)
    return replace(_named(error), errors=(field,))


def _named(error: TrimindError) -> Problem:
    return Problem(type(error), error.message) if error.status else _internal(error)


def _unauthorized(error: Unauthorized | StreamTokenExpired) -> Problem:
    return replace(_named(error), headers={"WWW-Authenticate": "Bearer"})


def _transient(error: TransientError) -> Problem:
    delay = {"Retry-After": str(ceil(error.retry_after or RETRY_AFTER_S))}
    return replace(_named(error), headers=delay)


def _budget(error: BudgetExceeded) -> Problem:
    limit, left = (int(usd * MICRO) for usd in (error.limit_usd, error.left_usd))
    seconds = ceil(error.resets_in_s if error.retry_after is None else error.retry_after)
    show(Standing("spend", limit, left, max(1, seconds), unit=MICRO_USD))
    delay = {} if error.retry_after is None else {"Retry-After": str(max(1, seconds))}
    return replace(_named(error), headers=delay)


def _search(error: SearchTimedOut) -> Problem:
    field = FieldError(field="q", code="too_slow", message=error.message)
    return replace(_transient(error), errors=(field,))


def _database(error: DBAPIError) -> Problem:
    if is_of_deleted_user(error):  # but authenticated within the last seconds
        return _unauthorized(Unauthorized("The user was deleted."))
    return _database_unavailable(error) if is_unavailable(error) else _internal(error)


def _unavailable(error: DatabaseUnavailable) -> Problem:
    cause = error.__cause__
    outages.note("database", cause if isinstance(cause, Exception) else error)
    return replace(_transient(error), detail=DATABASE_UNAVAILABLE)


def _database_unavailable(error: Exception) -> Problem:
    outages.note("database", error)
    return _transient(DatabaseUnavailable(DATABASE_UNAVAILABLE))


HTTP_ERRORS: Final[Mapping[int, type[TrimindError]]] = {
    kind.status: kind for kind in (NotFound, MethodNotAllowed, BodyTooLarge, UnsupportedMediaType)
}


def _http(error: HTTPException) -> Problem:
    status = error.code or 500
    kind = HTTP_ERRORS.get(status) or (BadRequest if status < 500 else Internal)
    headers = {}
    if isinstance(error, werkzeug.exceptions.MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return Problem(kind, error.description or "", headers=headers, status_here=status)


def _internal(error: Exception) -> Problem:
    log.error("unhandled error", exc_info=error)
    return Problem(Internal, "Internal error; see the server log.")


TABLE: Final[Mapping[type[BaseException], Callable[[Any], Problem]]] = {
    Refusal: lambda refusal: refusal.problem,
    InvalidInput: _invalid_input,
    InvalidRequest: _invalid_request,
    Unauthorized: _unauthorized,
    StreamTokenExpired: _unauthorized,
    SearchTimedOut: _search,
    BudgetExceeded: _budget,
    DatabaseUnavailable: _unavailable,
    TransientError: _transient,
    TrimindError: _named,
    DBAPIError: _database,
    PoolTimeout: _database_unavailable,
    HTTPException: _http,
    Exception: _internal,
}
