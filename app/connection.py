"""The connection of the request that is being answered."""

import select
import socket
from collections.abc import Callable

from flask import request


def caller_watch() -> Callable[[], bool]:
    """What tells, also after this request, whether its caller has closed the connection, so that
    nobody will read an answer. It tells of nobody where the server shows no connection."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")

    def has_gone() -> bool:
        if connection is None:
            return False
        try:
            # A socket that has a time limit would be waited for in recv, whatever its flags.
            watch = select.poll()
            watch.register(connection, select.POLLIN)
            return bool(watch.poll(0)) and connection.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):  # it is closed at this end as well
            return True

    return has_gone
