"""Failures as an OpenAI client reads them: the same problems, in the shape of OpenAI's errors."""

import re
from dataclasses import replace
from typing import Any, Final

from flask import Request, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from app.http.problems import FieldError, Problem, Refusal
from models.errors import InvalidRequest, Unauthorized

# The calls of OpenAI's own packages, those of earlier years among them. Conversations are ours as
# well; their items are OpenAI's alone.
OF_OPENAI: Final = re.compile(
    r"/v1/(answers|assistants|audio|batches|chat|chatkit|classifications|completions|containers"
    r"|content_provenance_checks|conversations/[^/]+/items|edits|embeddings|engines|evals|files"
    r"|fine-tunes|fine_tuning|images|models|moderations|organization|projects|realtime|responses"
    r"|search|skills|threads|uploads|vector_stores|videos)(/.*)?",
    re.DOTALL,
)
# Theirs and ours: who makes the call says by this header whether it is one of OpenAI's packages.
SHARED: Final = re.compile(r"/v1/conversations(/[^/]+)?")
PACKAGE: Final = "X-Stainless-Lang"
NO_SUCH_CALL: Final = (
    "There is no such call here. Of OpenAI's API, Trimind has POST /v1/responses, "
    "GET /v1/responses/{id} and POST /v1/responses/{id}/cancel."
)

# Our code of a field -> OpenAI's. What is not here is an `invalid_value`.
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
# Our code of a failure -> OpenAI's, where it has one.
CODES: Final = {Unauthorized.code: "invalid_api_key"}


class ErrorDetail(BaseModel):
    """An error in OpenAI's format."""

    message: str = Field(description="An explanation for people.")
    type: str = Field(description="`invalid_request_error`, or `server_error` from status 500 on.")
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
    """Whether every caller of this path expects OpenAI's errors: those of the calls that its
    packages make, also where there is no such call here."""
    return OF_OPENAI.fullmatch(path) is not None


def expects_openai(request: Request) -> bool:
    """Whether this caller does: one of OpenAI's packages, at one of our own calls too."""
    shared = PACKAGE in request.headers and SHARED.fullmatch(request.path) is not None
    return shared or speaks_openai(request.path)


def answer_as_openai(problem: Problem) -> Response | None:
    """The answer to a failed request, if an OpenAI client made it."""
    if not expects_openai(request):
        return None
    return openai_answer(problem if request.url_rule else no_such_call(problem))


def openai_answer(problem: Problem) -> Response:
    """A problem as OpenAI would put it. It has no 422."""
    response = jsonify(openai_body(problem).model_dump())
    response.status_code = openai_status(problem)
    response.headers.update(problem.headers)
    return response


def openai_body(problem: Problem) -> ErrorBody:
    """The body of that answer."""
    return ErrorBody(error=_detail(problem, openai_status(problem)))


def openai_status(problem: Problem) -> int:
    """The status of that answer."""
    return 400 if problem.status == 422 else problem.status


def no_such_call(problem: Problem) -> Problem:
    """A problem of a path, or of a method, which says what calls there are."""
    return replace(problem, detail=NO_SUCH_CALL)


def stream_error(response_id: str, number: int, code: str, what: str) -> dict[str, Any]:
    """The event that ends a stream before its response has ended; `number` is that of the event
    before it, so that a reader goes on from either.

    OpenAI's reference has the error's parts at the top; its servers send them in `error`, which is
    where its packages look for one to raise. Here they are in both places.
    """
    message = f"{what}. Read the response: GET /v1/responses/{response_id}."
    error = {"code": code, "message": message, "param": None}
    nested = {"type": "server_error", **error}
    return {"type": "error", "sequence_number": number, **error, "error": nested}


def refused(param: str, code: str, message: str) -> Refusal:
    """The refusal of one parameter."""
    error = FieldError(field=param, code=code, message=message)
    return Refusal(Problem(InvalidRequest, message, (error,)))


def _detail(problem: Problem, status: int) -> ErrorDetail:
    first = problem.errors[0] if problem.errors else None
    code = CODES.get(problem.code, problem.code)
    if first is not None and problem.kind is InvalidRequest:
        code = FIELD_CODES.get(first.code, "invalid_value")
    return ErrorDetail(
        message=problem.detail,
        type="invalid_request_error" if status < 500 else "server_error",
        param=_bracketed(first.field) or None if first else None,
        code=code,
    )


def _bracketed(field: str) -> str:
    """`input.0.content` as OpenAI writes it: `input[0].content`."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", field)
