"""Revoked keys, of which every web process is notified over the connection of its hub."""

from app.auth.key_cache import known_keys
from app.streaming.hub import get_hub


def follow_revocations() -> None:
    """Forget the owners of keys as soon as a key is revoked. Without Redis, each is forgotten after
    a few seconds."""
    keys = known_keys()
    keys.on_keep = lambda: get_hub().hear_revocations(keys.clear, keys.fresh_s)
