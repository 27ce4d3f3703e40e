"""Revocations of keys, of which every web process is notified over the connection of its hub."""

from app.auth.key_cache import known_keys
from app.streaming.access import open_accesses
from app.streaming.hub import get_hub
from tasks.events.revocations import announce_revocation


def follow_revocations() -> None:
    """Forget a user's keys as soon as one is revoked. Without Redis, each is forgotten after a few
    seconds."""
    keys = known_keys()
    keys.on_keep = lambda: get_hub().hear_revocations(keys.fresh_s)


def revoke_access(user_id: str) -> None:
    """Look up again what this user may do, here and in every other web process, and end the streams
    and waits of what was revoked."""
    known_keys().clear(user_id)
    open_accesses().check(user_id)
    announce_revocation(user_id)
