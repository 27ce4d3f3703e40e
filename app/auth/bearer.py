"""Who calls: a user's API key or JWT, or the shared secret of a service, as a bearer token; or a
browser that is signed in."""

import hashlib
import hmac
import re
from functools import partial
from typing import Final

import structlog
from flask import g, request

from app.auth.actor import actor
from app.auth.key_cache import known_keys
from app.auth.sessions import grant_of_session, session_token
from app.auth.wrong_keys import wrong_key
from app.http.db import db
from app.http.deferred import after_view
from app.http.errors import InvalidUser
from app.http.problems import FieldError, Problem, Refusal
from app.http.scopes import require_scope, scope_of
from app.limits.requests import count_request
from config.settings import get_settings
from models.api_keys import KEY_PREFIX, digest_of, find_grant, note_use
from models.errors import Unauthorized
from models.grants import Grant
from models.scopes import ADMIN, EVERY
from models.session import autocommit
from models.users import EXTERNAL_ID_MAX_CHARS, find_user, get_or_create_user

# The actor of what a service changes, in the audit log.
SERVICE: Final = "shared secret"
UNKNOWN_KEY: Final = "The API key is unknown, revoked or expired."
USER_HEADER: Final = "X-Trimind-User"
EXTERNAL_ID: Final = rf"^[\x21-\x7e]{{1,{EXTERNAL_ID_MAX_CHARS}}}$"
_EXTERNAL_ID: Final = re.compile(EXTERNAL_ID.strip("^$"))


def require_user() -> None:
    """Authenticate the user, set `g.user_id` and `g.grant`, and count the request towards the
    user's limit. The call requires the scope that `scope_of` says. The request occupies no
    connection after it.

    Raises:
        Unauthorized: if the token is missing or invalid.
        TooManyWrongKeys: if it is one of too many invalid ones.
        InsufficientScope: if the credential has not the scope.
        CsrfFailed: if a browser's request may come from another site.
        Refusal: if a service doesn't name the user it acts for, or for one request too many.
    """
    _authenticate()
    require_scope(scope_of(request.method, request.path), g.grant.scopes)


def require_admin() -> None:
    """Authenticate an operator: the shared secret, or a key or a session with the scope `admin`.

    Raises:
        Unauthorized: if the token is missing or invalid.
        InsufficientScope: if it is another user's.
    """
    _authenticate()
    require_scope(ADMIN, g.grant.scopes)


def require_service() -> None:
    """Authenticate a service. Raises Unauthorized for any other caller, or TooManyWrongKeys."""
    if not is_shared_secret(_bearer()):
        raise wrong_key("This call requires the shared secret.")
    g.actor = SERVICE


def provision_user(external_id: str) -> str:
    """Return the id of the user that a service acts for, creating the user on first use."""
    with autocommit() as connection:
        known = find_user(connection, external_id)
    if known is not None:
        return known
    created = get_or_create_user(db.session(), external_id, actor(SERVICE))
    db.session.commit()
    return created


def is_shared_secret(token: str) -> bool:
    """Whether a token is the shared secret, or the previous one. The time that this takes depends
    on the token's length alone."""
    sent = _fingerprint(token.encode())
    known = map(_fingerprint, get_settings().shared_secrets)
    return any(hmac.compare_digest(sent, each) for each in known)


def _authenticate() -> None:
    session = session_token()
    g.grant = grant_of_session(session) if session is not None else _grant_of_bearer()
    g.user_id = g.grant.user_id
    g.actor = g.grant.credential
    structlog.contextvars.bind_contextvars(user_id=g.user_id)
    count_request()


def _grant_of_bearer() -> Grant:
    token = _bearer()
    if is_shared_secret(token):
        return Grant(_user_of_service(), SERVICE, EVERY)
    return grant_of_jwt(token) if looks_like_jwt(token) else _grant_of_key(token)


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send an API key: Authorization: Bearer <key>.")
    return token.strip()


def looks_like_jwt(token: str) -> bool:
    """Whether a token is a JWT (three parts, the first of which is a JSON object) and not a key."""
    return token.startswith("eyJ") and token.count(".") == 2


def grant_of_jwt(token: str) -> Grant:
    """What a JWT allows its user. Raises Unauthorized, TooManyWrongKeys and IssuerUnavailable."""
    # Imported with the first token: the library takes 20 MB, and many installations have no issuer.
    from app.auth.jwt import grant_of_token

    return grant_of_token(token)


def _grant_of_key(token: str) -> Grant:
    if token.startswith(KEY_PREFIX):
        digest = digest_of(token, get_settings().pepper)
        grant = known_keys().find(digest, partial(_look_up, token))
        if grant is not None:
            return grant
    raise wrong_key(UNKNOWN_KEY)


def _look_up(token: str) -> Grant | None:
    with autocommit() as connection:
        grant = find_grant(connection, token, get_settings().peppers)
    if grant is not None and grant.unnoted:
        after_view(partial(_note_use, grant.credential))
    return grant


def _note_use(key_id: str) -> None:
    with autocommit() as connection:
        note_use(connection, key_id)


def _fingerprint(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


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
