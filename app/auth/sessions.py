"""Browsers that are signed in: a cookie, and a token against cross-site request forgery (CSRF).

The cookie is HttpOnly and SameSite, so that a page's script can't read it and other sites' requests
don't carry it. A request that changes something also has to send the CSRF token, which only a
script of our own page can read.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from functools import partial
from typing import Final

from flask import Response, request

from app.auth.key_cache import known_keys
from app.http.errors import CsrfFailed
from config.settings import get_settings
from models.api_keys import digest_of
from models.browser_sessions import SESSION_PREFIX, SignedIn, signed_in
from models.errors import Unauthorized
from models.session import autocommit

COOKIE: Final = "trimind_session"
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ENDED: Final = "The session has ended. Sign in again."


def session_token() -> str | None:
    """The session's token that the request carries, if any. A bearer token takes precedence."""
    token = request.cookies.get(COOKIE)
    if "Authorization" in request.headers or not token or not token.startswith(SESSION_PREFIX):
        return None
    return token


def user_of_session(token: str) -> str:
    """The id of the user that a session is signed in as.

    Raises:
        Unauthorized: the session has ended.
        CsrfFailed: the request may come from another site.
    """
    refuse_other_sites()
    if request.method not in SAFE:
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), csrf_token(token).encode()):
            raise CsrfFailed(f"{CSRF_HEADER} is missing or wrong: read it from GET /v1/session.")
    digest = digest_of(token, get_settings().pepper)
    user_id = known_keys().owner_of(digest, partial(_look_up, token))
    if user_id is None:
        raise Unauthorized(ENDED)
    return user_id


def find_signed_in(token: str) -> SignedIn | None:
    """Who a session is signed in as, read from the database."""
    with autocommit() as connection:
        return signed_in(connection, token, get_settings().pepper)


def refuse_other_sites() -> None:
    """Raise CsrfFailed for a request that a browser sends for another site's page."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method not in SAFE and site not in ("same-origin", "none"):
        raise CsrfFailed(f"Sec-Fetch-Site: {site}: requests from other sites are refused.")


def csrf_token(token: str) -> str:
    """The CSRF token of a session, derived from the session's own."""
    return hmac.new(get_settings().pepper, f"csrf {token}".encode(), hashlib.sha256).hexdigest()


def set_cookie(response: Response, token: str, expires_at: datetime) -> None:
    """Sign the browser in. Over HTTPS, the cookie is sent over HTTPS only."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int((expires_at - datetime.now(UTC)).total_seconds()),
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


def _look_up(token: str) -> str | None:
    found = find_signed_in(token)
    return found.user_id if found else None
