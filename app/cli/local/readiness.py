"""Readiness checks of the Procfile's processes; quick, since the supervisor's loop calls them."""

import http.client
import re
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from celery.utils.nodenames import default_nodename, host_format
from kombu.exceptions import OperationalError

from tasks.celery import app

_HTTP_S: Final = 1.5
_PING_S: Final = 0.5
_HOSTNAME: Final = re.compile(r"--hostname[= ](\S+)")


def web_ready(url: str) -> Callable[[], bool]:
    """Whether the web process and everything it depends on answer."""
    return lambda: _answers(f"{url}/healthz") and _answers(f"{url}/readyz")


def flower_ready(url: str, basic_auth: str) -> Callable[[], bool]:
    """Whether Flower answers requests that have its password."""
    credentials = f"Basic {b64encode(basic_auth.encode()).decode()}"
    return partial(_answers, f"{url}/healthcheck", {"Authorization": credentials})


def worker_ready(command: str) -> Callable[[], bool]:
    """Whether the worker started by this Procfile command answers a ping, so consumes its queue."""
    named = _HOSTNAME.search(command)
    node = host_format(default_nodename(named[1] if named else None))
    return partial(_pongs, node)


def _answers(url: str, headers: dict[str, str] | None = None) -> bool:
    # http.client ignores the environment's proxies.
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "127.0.0.1", parts.port, timeout=_HTTP_S
    )
    try:
        connection.request("GET", parts.path, headers=headers or {})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _pongs(node: str) -> bool:
    with app.connection_for_write() as connection:
        try:
            replies = app.control.ping([node], timeout=_PING_S, connection=connection)
        except (OperationalError, *connection.connection_errors, *connection.channel_errors):
            return False
    return any(node in reply for reply in replies)
