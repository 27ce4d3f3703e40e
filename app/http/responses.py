"""Responses: a declared body, a status, headers."""

from typing import Any, Final, cast

from flask import Response, current_app, jsonify, request
from pydantic import BaseModel
from werkzeug.http import generate_etag, quote_etag

PRIVATE: Final = "private, no-cache"
NOT_MODIFIED: Final[dict[str, Any]] = {"description": "Not changed since the `ETag`."}


def json_response(body: BaseModel, status: int = 200, **headers: str) -> Response:
    """Return a body as JSON. The header `Retry_After` is sent as `Retry-After`."""
    response = jsonify(body.model_dump())
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def json_text(body: BaseModel) -> bytes:
    """Return a body as JSON, as `json_response` sends it."""
    return f"{current_app.json.dumps(body.model_dump())}\n".encode()


def etag_of(body: bytes) -> str:
    """Return the `ETag` that `if_changed` gives to a body."""
    return quote_etag(generate_etag(body))


def unless_known(body: bytes, etag: str) -> Response:
    """Return JSON with its `ETag`; a 304 if the caller has this one already, like `if_changed`."""
    known = request.headers.get("If-None-Match")
    same = known == etag  # as nearly every client sends it
    text, status = (b"", 304) if same else (body, 200)
    response = current_app.response_class(text, status, mimetype="application/json")
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = PRIVATE
    if known is None or same:
        return response
    return cast(Response, response.make_conditional(request))


def if_changed(response: Response) -> Response:
    """Add an `ETag`; return a 304 if the caller has this one already (RFC 9110, 13.1.2)."""
    response.add_etag()
    response.headers["Cache-Control"] = PRIVATE
    return cast(Response, response.make_conditional(request))
