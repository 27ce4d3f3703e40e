"""Who calls: a user's API key or JWT, or the shared secret of a service, as a bearer token; or a
browser that is signed in."""

import hmac
import re
from functools import partial
from typing import Final

import structlog
from flask import g, request

from app.auth.key_cache import known_keys
from app.auth.sessions import find_signed_in, session_token, user_of_session
from app.http.db import db
from app.http.errors import Forbidden, InvalidUser
from app.http.problems import FieldError, Problem, Refusal
from app.limits.requests import count_request
from config.settings import get_settings
from models.api_keys import ADMIN, KEY_PREFIX, digest_of, owner_of_key, scopes_of_key
from models.errors import Unauthorized
from models.session import autocommit
from models.users import EXTERNAL_ID_MAX_CHARS, find_user, get_or_create_user

# The actor of what a service changes, in the audit log.
SERVICE: Final = "shared secret"
USER_HEADER: Final = "X-Trimind-User"
EXTERNAL_ID: Final = rf"^[\x21-\x7e]{{1,{EXTERNAL_ID_MAX_CHARS}}}$"
_EXTERNAL_ID: Final = re.compile(EXTERNAL_ID.strip("^$"))


def require_user() -> None:
    """Authenticate the user, set `g.user_id`, and count the request towards the user's limit. The
    request occupies no connection after it.

    Raises:
        Unauthorized: if the token is missing or invalid.
        CsrfFailed: if a browser's request may come from another site.
        Refusal: if a service doesn't name the user it acts for, or for one request too many.
    """
    session = session_token()
    g.user_id = user_of_session(session) if session is not None else _user_of_bearer()
    g.setdefault("actor", g.user_id)
    structlog.contextvars.bind_contextvars(user_id=g.user_id)
    count_request(g.user_id)


def require_admin() -> None:
    """Authenticate an operator: the shared secret, or a key or a session with the scope `admin`.

    Raises:
        Unauthorized: if the token is missing or invalid.
        Forbidden: if it is another user's.
    """
    require_user()
    if not _is_admin():
        raise Forbidden("This call requires a key with the scope admin.")


def require_service() -> None:
    """Authenticate a service. Raises Unauthorized for any other caller."""
    if not is_shared_secret(_bearer()):
        raise Unauthorized("This call requires the shared secret.")
    g.actor = SERVICE


def provision_user(external_id: str) -> str:
    """Return the id of the user that a service acts for, creating the user on first use."""
    with autocommit() as connection:
        known = find_user(connection, external_id)
    if known is not None:
        return known
    created = get_or_create_user(db.session(), external_id)
    db.session.commit()
    return created


def is_shared_secret(token: str) -> bool:
    """Whether a token is the shared secret, compared in constant time."""
    secret = get_settings().shared_secret.get_secret_value()
    return hmac.compare_digest(token.encode(), secret.encode())


def _is_admin() -> bool:
    session = session_token()
    if session is not None:
        found = find_signed_in(session)
        return found is not None and found.admin
    token = _bearer()
    if is_shared_secret(token):
        return True
    with autocommit() as connection:
        return ADMIN in scopes_of_key(connection, token, get_settings().pepper)


def _user_of_bearer() -> str:
    token = _bearer()
    if is_shared_secret(token):
        g.actor = SERVICE
        return _user_of_service()
    return _user_of_jwt(token) if looks_like_jwt(token) else _user_of_key(token)


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send an API key: Authorization: Bearer <key>.")
    return token.strip()


def looks_like_jwt(token: str) -> bool:
    """Whether a token is a JWT (three parts, the first of which is a JSON object) and not a key."""
    return token.startswith("eyJ") and token.count(".") == 2


def _user_of_jwt(token: str) -> str:
    # Imported with the first token: the library takes 20 MB, and many installations have no issuer.
    from app.auth.jwt import user_of_token

    return user_of_token(token)


def _user_of_key(token: str) -> str:
    if token.startswith(KEY_PREFIX):
        digest = digest_of(token, get_settings().pepper)
        known = known_keys().owner_of(digest, partial(_look_up, token))
        if known:
            return known
    raise Unauthorized("The API key is unknown or revoked.")


def _look_up(token: str) -> str | None:
    with autocommit() as connection:
        return owner_of_key(connection, token, get_settings().pepper)


def _user_of_service() -> str:
    external_id = request.headers.get(USER_HEADER)
    if not external_id:
        raise _unnamed("missing", "is required: name the user that the service acts for")
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise _unnamed("invalid", f"must be 1 to {EXTERNAL_ID_MAX_CHARS} visible ASCII characters")
    return provision_user(external_id)


def _unnamed(code: str, message: str) -> Refusal:
    error = FieldError(field=USER_HEADER, code=code, message=message)
    return Refusal(Problem(InvalidUser, f"{USER_HEADER}: {message}.", (error,)))
