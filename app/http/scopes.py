"""Which scope a call needs: one rule for all calls that users make."""

from typing import Final

from app.http.errors import InsufficientScope
from models.scopes import READ, WRITE

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def scope_of(method: str) -> str:
    """The scope that a call with this HTTP method needs."""
    return READ if method in SAFE else WRITE


def require_scope(scope: str, held: frozenset[str]) -> None:
    """Raise InsufficientScope, which names the scope, unless it is held."""
    if scope not in held:
        raise InsufficientScope(f"This call requires the scope {scope}.")
