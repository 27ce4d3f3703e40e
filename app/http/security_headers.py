"""What every answer says to a browser that gets to see it."""

from typing import Final

from flask import Flask, Response

CONTENT_POLICY: Final = "Content-Security-Policy"


def policy_of(**sources: str) -> str:
    """A policy for a page that loads these and nothing else: `script_src="'self'"`."""
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
    """Put them on each answer that does not say otherwise."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
