"""Which scope a call needs: one rule for all calls that users make, by method and path."""

from typing import Final

from app.http.errors import InsufficientScope
from models.scopes import READ, WRITE

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Calls that change nothing whatever their method: their caller may read what they open.
READING: Final = ("/stream-token",)


def scope_of(method: str, path: str) -> str:
    """The scope that a call needs, by its HTTP method and the end of its path."""
    return READ if method in SAFE or path.endswith(READING) else WRITE


def require_scope(scope: str, held: frozenset[str]) -> None:
    """Raise InsufficientScope, which names the scope, unless it is held."""
    if scope not in held:
        raise InsufficientScope(f"This call requires the scope {scope}.")
