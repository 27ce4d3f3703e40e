"""A failure as a client sees it: RFC 9457, `application/problem+json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Literal

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from models.errors import InvalidRequest, TrimindError

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """An error in one field of the request. It never repeats the rejected value."""

    field: str = Field(description="The field's dotted path; empty for the body itself.")
    code: str = Field(description="A stable code for programs. See the error codes.")
    message: str = Field(description="An explanation for people.")


class ProblemBody(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "message: is required",
                "code": "invalid_request",
                "request_id": "req_01K8Z5M5V4Q2W9X7Y3T1N6P0RC",
                "errors": [{"field": "message", "code": "missing", "message": "is required"}],
            }
        },
    )

    type: Literal["about:blank"] = "about:blank"
    title: str = Field(description="The status's reason phrase.")
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str = Field(description="An explanation for people.")
    code: str = Field(description="A stable code for programs. See the error codes.")
    request_id: str = Field(
        description="The response's `X-Request-Id`, which is also in the server's log."
    )
    errors: list[FieldError] = Field(description="Up to 20 invalid fields, if any.")


@dataclass(frozen=True)
class Problem:
    """An error, whose class has the code and the status, a sentence, and the fields and headers
    that belong to it. `status_here` replaces the status."""

    kind: type[TrimindError]
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    status_here: int | None = None

    @property
    def code(self) -> str:
        """The stable code, for programs."""
        return self.kind.code

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return self.status_here or self.kind.status or 500

    def response(self) -> Response:
        """Return the response, with this request's id."""
        body = ProblemBody(
            title=title_of(self.status),
            status=self.status,
            detail=self.detail,
            code=self.code,
            request_id=g.get("request_id", ""),
            errors=list(self.errors),
        )
        response = jsonify(body.model_dump())
        response.status_code = self.status
        response.mimetype = MEDIA_TYPE
        response.headers.update(self.headers)
        return response


class Refusal(Exception):
    """A request is refused with a problem that is more than an error's message."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def title_of(status: int) -> str:
    """Return a status's phrase in RFC 9110; Python 3.11 has older ones."""
    renamed = {413: "Content Too Large", 422: "Unprocessable Content"}
    return renamed.get(status) or HTTPStatus(status).phrase


def invalid(field: str, code: str, message: str) -> Refusal:
    """Return a refusal of one field."""
    detail = f"{field}: {message}" if field else message
    error = FieldError(field=field, code=code, message=message)
    return Refusal(Problem(InvalidRequest, detail, (error,)))
