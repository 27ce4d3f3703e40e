"""An ASGI request as a WSGI environ (PEP 3333), without the keys that a client must not set."""

import sys
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from app.http.errors import InvalidHeader
from app.http.problems import FieldError, Problem
from app.http.refused import REFUSAL

# Credentials, routing, preconditions: two values would be ambiguous.
ONCE: Final = {
    b"authorization": "Authorization",
    b"x-trimind-user": "X-Trimind-User",
    b"idempotency-key": "Idempotency-Key",
    b"last-event-id": "Last-Event-ID",
    b"content-type": "Content-Type",
    b"host": "Host",
}
# Hop by hop, or (`Proxy`) taken by libraries for an environment variable: httpoxy.
DROPPED: Final = frozenset({b"proxy", b"transfer-encoding", b"content-length"})
UNNAMED: Final = {"content-type": "CONTENT_TYPE"}

Headers = Iterable[tuple[bytes, bytes]]


def environ_of(scope: Mapping[str, Any], body: bytes, length: int | None) -> dict[str, Any]:
    """Return the environ of a request whose body was read. The application refuses a request that
    repeats a header of ONCE.

    Args:
        scope: the ASGI scope, of type `http`.
        body: what was kept of the body.
        length: the bytes of the body; None if there is no body.
    """
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REQUEST_URI": scope["raw_path"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    _add_headers(environ, scope["headers"])
    return environ


def _add_headers(environ: dict[str, Any], headers: Headers) -> None:
    for raw, sent in headers:
        # `x_trimind_user` would become the same key as `x-trimind-user`.
        if raw in DROPPED or b"_" in raw:
            continue
        name, value = raw.decode("latin-1"), sent.decode("latin-1")
        key = UNNAMED.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        if key not in environ:
            environ[key] = value
        elif raw in ONCE:
            environ[REFUSAL] = _sent_twice(ONCE[raw])
        else:
            environ[key] += f",{value}"


def _sent_twice(name: str) -> Problem:
    error = FieldError(field=name, code="sent_twice", message="was sent more than once")
    return Problem(InvalidHeader, f"{name}: was sent more than once.", (error,))
