"""Responses: a declared body, a status, headers."""

from typing import Any, Final, cast

from flask import Response, jsonify, request
from pydantic import BaseModel

NOT_MODIFIED: Final[dict[str, Any]] = {"description": "Not changed since the `ETag`."}


def json_response(body: BaseModel, status: int = 200, **headers: str) -> Response:
    """Return a body as JSON. The header `Retry_After` is sent as `Retry-After`."""
    response = jsonify(body.model_dump())
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def if_changed(response: Response) -> Response:
    """Add an `ETag`; return a 304 if the caller has this one already (RFC 9110, 13.1.2)."""
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    return cast(Response, response.make_conditional(request))
