"""Security headers for Flower's responses, which also hide Tornado's version."""

from functools import cache
from typing import Any, Final, cast

from tornado.web import RequestHandler

# Flower's pages contain inline scripts and styles, and load nothing from other hosts.
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class SecuredHandler:
    """A mixin for handlers."""

    def set_default_headers(self: Any) -> None:
        """Set the headers; called for each response, and again if it becomes an error."""
        super().set_default_headers()  # type: ignore[misc]  # the handler's own
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)


@cache
def secured(handler: type[RequestHandler]) -> type[RequestHandler]:
    """A subclass of the handler whose responses have these headers."""
    return cast(type[RequestHandler], type(handler.__name__, (SecuredHandler, handler), {}))
