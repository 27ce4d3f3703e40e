"""Problems in the format of OpenAI's errors, as an OpenAI client reads them."""

import re
from dataclasses import replace
from typing import Any, Final

from flask import Request, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from app.http.errors import TooManyRequests
from app.http.problems import FieldError, Problem, Refusal
from models.errors import BudgetExceeded, InvalidRequest, Unauthorized

# Every call of OpenAI's packages, including older ones. Our own API has conversations too, but no
# items of theirs.
OF_OPENAI: Final = re.compile(
    r"/v1/(answers|assistants|audio|batches|chat|chatkit|classifications|completions|containers"
    r"|content_provenance_checks|conversations/[^/]+/items|edits|embeddings|engines|evals|files"
    r"|fine-tunes|fine_tuning|images|models|moderations|organization|projects|realtime|responses"
    r"|search|skills|threads|uploads|vector_stores|videos)(/.*)?",
    re.DOTALL,
)
# Calls of theirs and of ours: OpenAI's packages send this header.
SHARED: Final = re.compile(r"/v1/conversations(/[^/]+)?")
PACKAGE: Final = "X-Stainless-Lang"
NO_SUCH_CALL: Final = (
    "No such call. Of OpenAI's API, Trimind has POST /v1/responses, "
    "GET /v1/responses/{id} and POST /v1/responses/{id}/cancel."
)

# Our code of a field -> OpenAI's. Any other is an `invalid_value`.
FIELD_CODES: Final = {
    "missing": "missing_required_parameter",
    "unknown_field": "unknown_parameter",
    "unsupported_value": "unsupported_parameter",
    "not_a_string": "invalid_type",
    "not_an_integer": "invalid_type",
    "not_a_number": "invalid_type",
    "not_a_boolean": "invalid_type",
    "not_a_list": "invalid_type",
    "not_an_object": "invalid_type",
    "too_long": "string_above_max_length",
    "too_short": "string_below_min_length",
    "too_many": "array_above_max_length",
    "too_few": "array_below_min_length",
    "too_large": "number_above_max_value",
    "too_small": "number_below_min_value",
    "model_not_found": "model_not_found",
    "previous_response_not_found": "previous_response_not_found",
    "previous_response_not_completed": "previous_response_not_completed",
}
# Our code of a problem -> OpenAI's, if it has one.
NO_QUOTA: Final = "insufficient_quota"
CODES: Final = {
    Unauthorized.code: "invalid_api_key",
    BudgetExceeded.code: NO_QUOTA,
    TooManyRequests.code: "rate_limit_exceeded",
}
# Without it, OpenAI's packages would retry a 429.
NO_RETRY: Final = {"x-should-retry": "false"}


class ErrorDetail(BaseModel):
    """An error in OpenAI's format."""

    message: str = Field(description="An explanation for people.")
    type: str = Field(
        description="`invalid_request_error`, `insufficient_quota` if the budget is used up, or "
        "`server_error` from status 500 on."
    )
    param: str | None = Field(description="The invalid parameter, if any.")
    code: str | None = Field(description="A stable code for programs. See the error codes.")


class ErrorBody(BaseModel):
    """The body of a failed call, in OpenAI's format."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "message": "tools: is not supported; omit it or send []",
                    "type": "invalid_request_error",
                    "param": "tools",
                    "code": "unsupported_parameter",
                }
            }
        }
    )

    error: ErrorDetail


def speaks_openai(path: str) -> bool:
    """Whether every client of this path expects OpenAI's errors. True for every call that OpenAI's
    packages make, whether or not it exists here."""
    return OF_OPENAI.fullmatch(path) is not None


def expects_openai(request: Request) -> bool:
    """Whether this client does; it may be one of OpenAI's packages at a call of ours."""
    shared = PACKAGE in request.headers and SHARED.fullmatch(request.path) is not None
    return shared or speaks_openai(request.path)


def answer_as_openai(problem: Problem) -> Response | None:
    """Answer a failed request in OpenAI's format, if an OpenAI client sent it."""
    if not expects_openai(request):
        return None
    return openai_answer(problem if request.url_rule else no_such_call(problem))


def openai_answer(problem: Problem) -> Response:
    """Return a problem in OpenAI's format, which has no 422, and a 429 instead of a 402."""
    response = jsonify(openai_body(problem).model_dump())
    response.status_code = openai_status(problem)
    response.headers.update(problem.headers)
    response.headers.update(NO_RETRY if problem.status == 402 else {})
    return response


def openai_body(problem: Problem) -> ErrorBody:
    """Return the body of that response."""
    return ErrorBody(error=_detail(problem, openai_status(problem)))


def openai_status(problem: Problem) -> int:
    """Return the status of that response."""
    return {402: 429, 422: 400}.get(problem.status, problem.status)


def no_such_call(problem: Problem) -> Problem:
    """Return the problem of an unknown path or method, with the calls that exist."""
    return replace(problem, detail=NO_SUCH_CALL)


def stream_error(response_id: str, number: int, code: str, what: str) -> dict[str, Any]:
    """Return the event that ends a stream before its response has ended.

    OpenAI's reference has the error's fields at the top level; its servers send them in `error`,
    where its packages look for an error to raise. Here they are in both.

    Args:
        number: the number of the event before it, so that a reader can resume after either.
    """
    message = f"{what}. Retrieve the response: GET /v1/responses/{response_id}."
    error = {"code": code, "message": message, "param": None}
    nested = {"type": "server_error", **error}
    return {"type": "error", "sequence_number": number, **error, "error": nested}


def refused(param: str, code: str, message: str) -> Refusal:
    """Return the refusal of one parameter."""
    error = FieldError(field=param, code=code, message=message)
    return Refusal(Problem(InvalidRequest, message, (error,)))


def _detail(problem: Problem, status: int) -> ErrorDetail:
    first = problem.errors[0] if problem.errors else None
    code = CODES.get(problem.code, problem.code)
    if first is not None and problem.kind is InvalidRequest:
        code = FIELD_CODES.get(first.code, "invalid_value")
    return ErrorDetail(
        message=problem.detail,
        type=_type(code, status),
        param=_bracketed(first.field) or None if first else None,
        code=code,
    )


def _type(code: str, status: int) -> str:
    if code == NO_QUOTA:
        return NO_QUOTA
    return "invalid_request_error" if status < 500 else "server_error"


def _bracketed(field: str) -> str:
    """Write `input.0.content` as OpenAI does: `input[0].content`."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", field)
