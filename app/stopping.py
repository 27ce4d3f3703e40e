"""Whether this web process is asked to end: then its streams end too, and clients go elsewhere."""

from collections.abc import Callable
from typing import Final

from flask import current_app

# What gunicorn's hook (config/gunicorn.py) leaves with the application.
STOPPING: Final = "STOPPING"


def is_stopping() -> bool:
    """Whether no new work should be begun here, nor old work be waited for."""
    asked: Callable[[], bool] | None = current_app.config.get(STOPPING)
    return asked is not None and asked()
