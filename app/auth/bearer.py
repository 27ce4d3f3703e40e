"""Who is asking: a user by an API key, or a service, by the shared secret, for a user it names."""

import hmac
import re
from typing import Final

import structlog
from flask import g, request

from app.http.db import db
from app.http.errors import InvalidUser
from app.http.problems import FieldError, Problem, Refusal
from config.settings import get_settings
from models.api_keys import KEY_PREFIX, owner_of_key
from models.errors import Unauthorized
from models.users import EXTERNAL_ID_MAX_CHARS, get_or_create_user

USER_HEADER: Final = "X-Trimind-User"
EXTERNAL_ID: Final = rf"^[\x21-\x7e]{{1,{EXTERNAL_ID_MAX_CHARS}}}$"
_EXTERNAL_ID: Final = re.compile(EXTERNAL_ID.strip("^$"))


def require_user() -> None:
    """Let a user in, by `g.user_id`. Raises Unauthorized, or Refusal where a service names nobody.

    The transaction ends here: no connection is held while the body arrives.
    """
    token = _bearer()
    g.user_id = _user_of_service() if is_shared_secret(token) else _user_of_key(token)
    db.session.commit()
    structlog.contextvars.bind_contextvars(user_id=g.user_id)


def require_service() -> None:
    """Let a service in, and nobody else. Raises Unauthorized."""
    if not is_shared_secret(_bearer()):
        raise Unauthorized("This call takes the shared secret.")


def provision_user(external_id: str) -> str:
    """The id of the user whom a service names, created on first sight."""
    user_id = get_or_create_user(db.session(), external_id)
    db.session.commit()
    return user_id


def is_shared_secret(token: str) -> bool:
    """Whether a bearer token is the services' secret; how long this takes says nothing of it."""
    secret = get_settings().shared_secret.get_secret_value()
    return hmac.compare_digest(token.encode(), secret.encode())


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send Authorization: Bearer and an API key.")
    return token.strip()


def _user_of_key(token: str) -> str:
    known = token.startswith(KEY_PREFIX) and owner_of_key(
        db.session(), token, get_settings().pepper
    )
    if not known:
        raise Unauthorized("This key is not known, or no longer valid.")
    return known


def _user_of_service() -> str:
    external_id = request.headers.get(USER_HEADER)
    if not external_id:
        raise _unnamed("missing", "is missing: a service says whom it asks for")
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise _unnamed("invalid", f"is not 1 to {EXTERNAL_ID_MAX_CHARS} visible ASCII characters")
    return provision_user(external_id)


def _unnamed(code: str, message: str) -> Refusal:
    error = FieldError(field=USER_HEADER, code=code, message=message)
    return Refusal(Problem(InvalidUser, f"{USER_HEADER}: {message}.", (error,)))
