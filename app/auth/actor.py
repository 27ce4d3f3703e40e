"""Who asks for a change of access, for the audit log."""

from flask import g, request

from models.audit import ADDRESS_MAX_CHARS, Actor


def actor(name: str | None = None) -> Actor:
    """The request's caller; or a named one, where no user is authenticated."""
    address = (request.remote_addr or "")[:ADDRESS_MAX_CHARS] or None
    return Actor(name or g.actor, g.get("request_id"), address)
