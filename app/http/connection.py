"""The connection of the request that is being answered."""

from collections.abc import Callable

from flask import request

from app.http.deferred import GONE


def caller_watch() -> Callable[[], bool]:
    """What tells, also after this request, whether its caller has closed the connection, so that
    nobody will read an answer. It tells of nobody where the server does not say (any but ours)."""
    gone: Callable[[], bool] | None = request.environ.get(GONE)
    return gone if gone is not None else _unknown


def _unknown() -> bool:
    return False
