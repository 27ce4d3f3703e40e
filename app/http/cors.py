"""Which pages of other sites may call the API from a browser: those of `CORS_ORIGINS`.

They send a key or a stream token. Cookies of a signed-in browser are never accepted from them.
"""

from collections.abc import Sequence
from typing import Final

from flask import Flask, Response, request
from flask_cors import CORS

from app.http.request_log import HEADER as REQUEST_ID
from config.origins import ANY

METHODS: Final = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
EXPOSED: Final = [
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    REQUEST_ID,
]
PREFLIGHT_MAX_AGE_S: Final = 7200


def register_cors(app: Flask, origins: Sequence[str]) -> None:
    """Answer browsers' preflights before authentication, and name the origins that may read."""
    if not origins:
        return
    app.before_request(_answer_preflight)
    CORS(
        app,
        origins=list(origins),
        methods=METHODS,
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_MAX_AGE_S,
        send_wildcard=True,
        always_send=False,
        vary_header=False,
        intercept_exceptions=False,
    )
    if ANY not in origins:
        # flask-cors would leave it out where one origin is allowed, or another one asks.
        app.after_request(_vary)


def cors_fields(origins: Sequence[str], origin: str | None) -> dict[str, str]:
    """The header fields of a response that the application doesn't make."""
    if ANY in origins:
        allowed = ANY
    elif origin is not None and origin.lower() in origins:
        allowed = origin
    else:
        return {"Vary": "Origin"} if origins else {}
    fields = {"Access-Control-Allow-Origin": allowed}
    fields["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
    return fields if allowed == ANY else fields | {"Vary": "Origin"}


def _answer_preflight() -> Response | None:
    """A preflight carries no key: whether the call exists and is allowed is for the call itself."""
    asks = "Origin" in request.headers and "Access-Control-Request-Method" in request.headers
    return Response(status=204) if asks and request.method == "OPTIONS" else None


def _vary(response: Response) -> Response:
    response.vary.add("Origin")
    return response
