"""Browsers that are signed in: a cookie, and a token against cross-site request forgery (CSRF).

The cookie is HttpOnly and SameSite, so that a page's script can't read it and other sites' requests
don't carry it. A request that changes something also has to send the CSRF token, which only a
script of our own page can read.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from functools import partial
from math import ceil
from typing import Final

from flask import Response, request

from app.auth.key_cache import known_keys
from app.http.errors import CsrfFailed
from app.http.scopes import SAFE
from config.settings import get_settings
from models.api_keys import digest_of
from models.browser_sessions import SESSION_PREFIX, SignedIn, signed_in
from models.errors import Unauthorized
from models.grants import Grant
from models.session import autocommit

COOKIE: Final = "trimind_session"
CSRF_HEADER: Final = "X-CSRF-Token"
ENDED: Final = "The session has ended. Sign in again."


def session_token() -> str | None:
    """The session's token that the request carries, if any. A bearer token takes precedence."""
    token = request.cookies.get(COOKIE)
    if "Authorization" in request.headers or not token or not token.startswith(SESSION_PREFIX):
        return None
    return token


def grant_of_session(token: str) -> Grant:
    """Who a session is signed in as, and what it may do.

    Raises:
        Unauthorized: the session has ended.
        CsrfFailed: the request may come from another site.
    """
    refuse_other_sites()
    if request.method not in SAFE:
        sent = request.headers.get(CSRF_HEADER, "")
        if not _is_csrf_token(sent, token):
            raise CsrfFailed(f"{CSRF_HEADER} is missing or wrong: read it from GET /v1/session.")
    digest = digest_of(token, get_settings().pepper)
    grant = known_keys().find(digest, partial(_look_up, token))
    if grant is None:
        raise Unauthorized(ENDED)
    return grant


def find_signed_in(token: str) -> SignedIn | None:
    """Who a session is signed in as, read from the database."""
    with autocommit() as connection:
        return signed_in(connection, token, get_settings().peppers)


def refuse_other_sites() -> None:
    """Raise CsrfFailed for a request that a browser sends for another site's page."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method not in SAFE and site not in ("same-origin", "none"):
        raise CsrfFailed(f"Sec-Fetch-Site: {site}: requests from other sites are refused.")


def csrf_token(token: str) -> str:
    """The CSRF token of a session, derived from the session's own."""
    return _csrf_token(token, get_settings().pepper)


def set_cookie(response: Response, token: str, expires_at: datetime) -> None:
    """Sign the browser in. Over HTTPS, the cookie is sent over HTTPS only."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=ceil((expires_at - datetime.now(UTC)).total_seconds()),
        secure=_is_https(),
        httponly=True,
        samesite="Strict",
    )


def delete_cookie(response: Response) -> None:
    """Sign the browser out."""
    response.delete_cookie(COOKIE, secure=_is_https(), httponly=True, samesite="Strict")


def _is_https() -> bool:
    """Whether the browser's own connection is encrypted; a proxy says so."""
    return request.is_secure or request.headers.get("X-Forwarded-Proto", "").startswith("https")


def _is_csrf_token(sent: str, token: str) -> bool:
    """Whether a page sent its session's token, which it may have read under the previous pepper."""
    known = (_csrf_token(token, pepper) for pepper in get_settings().peppers)
    return any(hmac.compare_digest(sent.encode(), each.encode()) for each in known)


def _csrf_token(token: str, pepper: bytes) -> str:
    return hmac.new(pepper, f"csrf {token}".encode(), hashlib.sha256).hexdigest()


def _look_up(token: str) -> Grant | None:
    found = find_signed_in(token)
    return found.grant if found else None
