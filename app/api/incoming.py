"""/v1/incoming: events that others send to us. Not in the OpenAPI document: only they call it."""

from typing import Any, Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.auth.actor import actor
from app.auth.issuer_users import external_id_of
from app.auth.svix import verified_id
from app.http.db import db
from app.http.problems import invalid
from app.http.request_body import parse
from app.streaming.revocations import revoke_access
from config.settings import get_settings
from config.signing_keys import signing_keys
from models.deleted_users import AccessEnded, create_signed_in_user
from models.errors import NotFound, Unauthorized
from models.incoming_events import note_event
from models.lifecycle.user_deletion import ban, begin_deletion
from models.users import find_user

MOST_BYTES: Final = 256 * 1024
CLERK: Final = "clerk"

events = Blueprint("incoming", __name__, url_prefix="/v1/incoming")


@events.post("/clerk")
def receive_clerk_event() -> Response:
    """Create a user, end a banned user's access, or delete a user. Other events are ignored."""
    settings = get_settings()
    if settings.clerk_webhook_secret is None or settings.jwt_issuer is None:
        raise NotFound("CLERK_WEBHOOK_SECRET and JWT_ISSUER are not both set.")
    body = _body()
    keys = signing_keys(settings.clerk_webhook_secret.get_secret_value())
    event_id = verified_id(request.headers, body, keys)
    event = parse(body)
    kind = event.get("type")
    if kind in ("user.created", "user.updated", "user.deleted"):
        data: Any = event.get("data")
        data = data if isinstance(data, dict) else {}
        external_id = _external_id(settings.jwt_issuer, data.get("id"))
        if note_event(db.session(), event_id):
            ended = _process(kind, external_id, banned=data.get("banned") is True)
            db.session.commit()
            if ended is not None:
                revoke_access(ended)
    return Response(status=204)


def _process(kind: str, external_id: str, *, banned: bool) -> str | None:
    """Apply an event of a user; returns the user's id if it has ended some of his access."""
    session, by = db.session(), actor(CLERK)
    if kind == "user.deleted":
        return begin_deletion(session, external_id, by)
    user_id = find_user(session.connection(), external_id)
    try:
        # Without a time: an event that comes after the deletion was sent before it.
        user_id = user_id or create_signed_in_user(session, external_id, None, by)
    except AccessEnded:
        return None
    if not banned:
        return None
    ban(session, user_id, external_id, by)
    return user_id


def _external_id(issuer: str, user: object) -> str:
    try:
        return external_id_of(issuer, user if isinstance(user, str) else "")
    except Unauthorized as error:
        raise invalid("data.id", "invalid", error.message) from None


def _body() -> bytes:
    """The body, byte for byte as it was signed."""
    if (request.content_length or 0) > MOST_BYTES:
        raise RequestEntityTooLarge
    body = request.get_data()
    if len(body) > MOST_BYTES:
        raise RequestEntityTooLarge
    return body
