"""/v1/session: sign a browser in and out."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.apidoc.openapi import BROWSER_SECURITY, operation_id, problems
from app.auth.actor import actor
from app.auth.bearer import grant_of_jwt, looks_like_jwt
from app.auth.sessions import (
    ENDED,
    csrf_token,
    delete_cookie,
    find_signed_in,
    grant_of_session,
    refuse_other_sites,
    session_token,
    set_cookie,
)
from app.auth.wrong_keys import wrong_key
from app.http.db import db
from app.http.responses import json_response
from app.schemas.sessions import NewSession, SessionBody, session_body
from app.streaming.revocations import revoke_access
from config.settings import get_settings
from models.browser_sessions import (
    sign_in_by_jwt,
    sign_in_by_key,
    sign_in_by_link,
    sign_out,
)
from models.errors import Unauthorized

api = APIBlueprint(
    "sessions",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/session",
    abp_tags=[Tag(name="sessions", description="Sign a browser in, for the page at `/`.")],
    abp_responses=problems(400, 401, 429, 503),
)


@api.post("", responses={201: SessionBody, **problems(403, 413, 415, 422)})
def create_session(body: NewSession) -> Response:
    """Sign in.

    Sets a cookie that authenticates the browser's further requests for 30 days, or until the key
    is revoked; for a day, if it is signed in by a JWT. Other clients don't need a session: they
    send their key with each request.
    """
    refuse_other_sites()
    peppers = get_settings().peppers
    token: str | None
    if looks_like_jwt(body.key):
        grant = grant_of_jwt(body.key)
        token = sign_in_by_jwt(db.session(), grant, peppers, actor("browser"))
    elif body.key:
        token = sign_in_by_key(db.session(), body.key, peppers, actor("browser"))
    else:
        token = sign_in_by_link(db.session(), body.link, peppers, actor("browser"))
    db.session.commit()
    if token is None:
        raise wrong_key(
            "The API key is unknown, revoked or expired."
            if body.key
            else "The sign-in link was used or has expired. Create a new one, or use an API key."
        )
    return _shown(token, 201)


@api.get("", responses={200: SessionBody}, security=BROWSER_SECURITY)
def read_session() -> Response:
    """Retrieve the session.

    Says who is signed in. The status is 401 if nobody is.
    """
    return _shown(_token())


@api.delete("", responses={204: None, **problems(403)}, security=BROWSER_SECURITY)
def delete_session() -> Response:
    """Sign out.

    Ends the session and removes the cookie.
    """
    token = _token()
    user_id = grant_of_session(token).user_id  # checks the CSRF token
    sign_out(db.session(), token, get_settings().peppers, actor("browser"))
    db.session.commit()
    revoke_access(user_id)
    response = Response(status=204)
    delete_cookie(response)
    return response


def _shown(token: str, status: int = 200) -> Response:
    who = find_signed_in(token)
    if who is None:
        raise Unauthorized(ENDED)
    response = json_response(session_body(who, csrf_token(token)), status)
    response.headers["Cache-Control"] = "no-store"
    if status == 201:
        set_cookie(response, token, who.expires_at)
    return response


def _token() -> str:
    token = session_token()
    if token is None:
        raise Unauthorized("Nobody is signed in.")
    return token
