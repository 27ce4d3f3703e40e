"""/v1/keys: create, list, rotate and revoke API keys."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta

from flask import Response, current_app, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.actor import actor
from app.auth.bearer import require_user
from app.http.db import db
from app.http.idempotency import Created, create_once
from app.http.responses import json_response
from app.http.scopes import require_scope
from app.schemas.headers import CreateHeaders
from app.schemas.keys import (
    CreatedKeyBody,
    KeyBody,
    KeyPage,
    KeyPath,
    KeyRotation,
    NewKey,
    created_key_body,
    key_body,
)
from app.schemas.lists import PageQuery
from app.streaming.revocations import revoke_access
from config.settings import get_settings
from models import api_keys
from models.api_keys import ApiKey
from models.errors import NotFound
from models.scopes import missing

api = APIBlueprint(
    "keys",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/keys",
    abp_tags=[Tag(name="keys", description="A user's API keys.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_user)


@api.post("", responses={201: CreatedKeyBody, **problems(409, 413, 415)})
def create_key(header: CreateHeaders, body: NewKey) -> Response:
    """Create a key.

    The response has the key itself, which is never shown again.
    """
    _require(body.scopes)

    def make() -> tuple[ApiKey, str]:
        return api_keys.add_key(
            db.session(),
            g.user_id,
            get_settings().pepper,
            name=body.name,
            scopes=body.scopes,
            lasts=_seconds(body.expires_in_s),
            by=actor(),
        )

    return _shown_once(header, make)


@api.get("", responses={200: KeyPage})
def read_keys(query: PageQuery) -> Response:
    """List keys.

    Returns your keys, newest first, with those that are revoked or expired.
    """
    found = api_keys.list_own_keys(db.session(), g.user_id, **query.model_dump())
    return json_response(KeyPage.of([key_body(key) for key in found], query.limit))


@api.get("/<id:key_id>", responses={200: KeyBody, **problems(404)})
def read_key(path: KeyPath) -> Response:
    """Retrieve a key.

    The key itself is not shown.
    """
    return json_response(key_body(_own(path)))


@api.delete("/<id:key_id>", responses={204: None, **problems(404)})
def revoke_key(path: KeyPath) -> Response:
    """Revoke a key.

    The key is refused from now on, browsers that were signed in by it are signed out, and its
    streams and waits end.
    """
    key = _own(path)
    _require(key.scopes)
    api_keys.revoke_key(db.session(), key.id, actor())
    db.session.commit()
    _forget()
    return Response(status=204)


@api.post("/<id:key_id>/rotate", responses={201: CreatedKeyBody, **problems(404, 409, 413, 415)})
def rotate_key(path: KeyPath, header: CreateHeaders, body: KeyRotation) -> Response:
    """Rotate a key.

    Creates a key with the same name and scopes. The old one is valid for an overlap.
    """
    _require(_own(path).scopes)

    def make() -> tuple[ApiKey, str]:
        overlap, lasts = timedelta(seconds=body.overlap_s), _seconds(body.expires_in_s)
        pepper = get_settings().pepper
        key = _own(path)
        return api_keys.rotate_key(db.session(), key, pepper, overlap, lasts=lasts, by=actor())

    return _shown_once(header, make, then=_forget)


def _shown_once(
    header: CreateHeaders,
    make: Callable[[], tuple[ApiKey, str]],
    then: Callable[[], None] = lambda: None,
) -> Response:
    """Make a key, then respond with it. What is stored with the Idempotency-Key lacks the key
    itself, so that a replay can't show it."""
    secret = ""

    def create() -> Created:
        nonlocal secret
        made, secret = make()
        return Created.of(made.id, created_key_body(made), 201, Location=f"/v1/keys/{made.id}")

    def respond(created: Created) -> Response:
        then()
        response = created.response()
        if not created.replayed:
            body = {**json.loads(created.body), "key": secret}
            response.set_data(f"{current_app.json.dumps(body)}\n")
        return response

    return create_once(header.idempotency_key, create, respond)


def _own(path: KeyPath) -> ApiKey:
    key = api_keys.find_own_key(db.session(), g.user_id, path.key_id)
    if key is None:
        raise NotFound("No such key.")
    return key


def _require(scopes: Iterable[str]) -> None:
    """Require the scopes of a key that the caller makes or ends."""
    if (scope := missing(scopes, g.grant.scopes)) is not None:
        require_scope(scope, g.grant.scopes)


def _forget() -> None:
    """Make this process look the caller's keys up again, then all others."""
    revoke_access(g.user_id)


def _seconds(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)
