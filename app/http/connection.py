"""The connection of the current request."""

from collections.abc import Callable

from flask import request

from app.http.deferred import GONE


def caller_watch() -> Callable[[], bool]:
    """Return a function that says whether this request's caller has closed the connection, also
    after the request. It returns False under a server that does not know (any but ours)."""
    gone: Callable[[], bool] | None = request.environ.get(GONE)
    return gone if gone is not None else _unknown


def _unknown() -> bool:
    return False
