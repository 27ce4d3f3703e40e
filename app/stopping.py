"""Whether this web process is asked to end: then its streams end too, and clients go elsewhere."""

from collections.abc import Callable
from typing import Final

from flask import current_app, request

from app.http.exchange import GONE

# What the server (app/http/server.py) leaves with the application.
STOPPING: Final = "STOPPING"


def is_stopping() -> bool:
    """Whether no new work should be begun here, nor old work be waited for: this process ends, or
    the client of this request has gone."""
    gone: Callable[[], bool] | None = request.environ.get(GONE)
    if gone is not None and gone():
        return True
    asked: Callable[[], bool] | None = current_app.config.get(STOPPING)
    return asked is not None and asked()
