"""Tokens to follow one job for some minutes, for a browser's own `EventSource`, which can't send a
header.

A token is in a URL, where a proxy or a browser's history may keep it: so it expires soon, opens the
stream of one job, and nothing else. Nothing is stored: it is signed under the pepper. It names the
key or session that it was created with, and is worth nothing once that has ended.
"""

import hashlib
import hmac
import re
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from flask import g, request

from app.auth.bearer import require_user
from app.http.errors import StreamTokenExpired
from app.limits.requests import count_request
from config.settings import get_settings
from models.access import KINDS, still_granted
from models.errors import Unauthorized
from models.grants import Grant
from models.scopes import READ
from models.session import statements

PREFIX: Final = "tmst_"
PARAMETER: Final = "token"
TOKEN: Final = re.compile(
    PREFIX + r"([0-9]{1,12})\.([A-Za-z0-9_]{1,40})\.([A-Za-z0-9_]{1,40})\.([A-Za-z0-9_-]{43})"
)
# The only call that accepts one.
ENDPOINT: Final = "jobs.read_events"


@dataclass(frozen=True)
class StreamToken:
    """A token, and when it expires."""

    token: str
    expires_at: datetime


def create_stream_token(job_id: str, grant: Grant) -> StreamToken:
    """Create a token for the stream of a user's job, which dies with the user's key or session."""
    expires = int(time.time()) + get_settings().stream_token_s
    # A service has no key that could be revoked, and a JWT is the user's until it expires.
    origin = grant.credential if grant.credential.startswith(KINDS) else grant.user_id
    named = f"{expires}.{grant.user_id}.{origin}"
    signature = _signature(job_id, named, get_settings().pepper)
    return StreamToken(f"{PREFIX}{named}.{signature}", datetime.fromtimestamp(expires, UTC))


def require_user_or_stream_token() -> None:
    """Authenticate the user, by a stream token where a job is followed with one.

    Raises:
        StreamTokenExpired: get a new token.
        Unauthorized: if the token isn't one, or is another job's, or what it was created with has
            ended; and like `require_user`.
    """
    token = request.args.get(PARAMETER) if request.endpoint == ENDPOINT else None
    if token is None:
        require_user()
        return
    g.user_id, origin = _verified(token, (request.view_args or {})["job_id"])
    g.actor = "stream token"
    g.grant = Grant(g.user_id, g.actor, frozenset({READ}), origin=origin)
    structlog.contextvars.bind_contextvars(user_id=g.user_id)
    count_request()
    _require_origin(g.user_id, origin)


def _verified(token: str, job_id: str) -> tuple[str, str]:
    """The user of a token, and what it was created with."""
    found = TOKEN.fullmatch(token)
    if found is None:
        raise Unauthorized("The stream token is malformed.")
    expires, user_id, origin, signature = found.groups()
    named = f"{expires}.{user_id}.{origin}"
    peppers = get_settings().peppers  # the previous one too, while it is replaced
    signatures = [_signature(job_id, named, pepper) for pepper in peppers]
    if not any(hmac.compare_digest(signature, each) for each in signatures):
        raise Unauthorized("The stream token is not one for this job.")
    if time.time() >= int(expires):
        raise StreamTokenExpired("The stream token has expired. Create a new one, and reconnect.")
    return user_id, origin


def _require_origin(user_id: str, origin: str) -> None:
    ids = {user_id, origin}
    with statements() as connection:
        if not ids <= still_granted(connection, ids):
            raise Unauthorized("What the stream token was created with has ended.")


def _signature(job_id: str, named: str, pepper: bytes) -> str:
    # No API key begins like this, so that none has the same HMAC.
    signed = f"stream token\n{job_id}\n{named}".encode()
    digest = hmac.digest(pepper, signed, hashlib.sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
