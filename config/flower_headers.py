"""What each of Flower's answers says to a browser, in place of Tornado's version."""

from functools import cache
from typing import Any, Final, cast

from tornado.web import RequestHandler

# Its pages have a script and styles of their own in them. They load nothing from elsewhere.
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
    """Goes before a handler's class."""

    def set_default_headers(self: Any) -> None:
        """Tornado calls it for each answer, and again for one that becomes an error."""
        super().set_default_headers()  # type: ignore[misc]  # the handler's own
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)


@cache
def secured(handler: type[RequestHandler]) -> type[RequestHandler]:
    """The same handler, whose answers have these headers."""
    return cast(type[RequestHandler], type(handler.__name__, (SecuredHandler, handler), {}))
