"""The security headers of every response, for browsers."""

from typing import Final

from flask import Flask, Response

CONTENT_POLICY: Final = "Content-Security-Policy"


def policy_of(**sources: str) -> str:
    """Return a policy for a page that loads only these sources: `script_src="'self'"`."""
    named = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    named |= {"frame-ancestors": "'none'"}
    named |= {name.replace("_", "-"): value for name, value in sources.items()}
    return "; ".join(f"{name} {value}" for name, value in named.items())


SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    CONTENT_POLICY: policy_of(),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


def register_security_headers(app: Flask) -> None:
    """Add the headers that a response does not set itself."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
