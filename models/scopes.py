"""What a key may do besides signing in: its scopes."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from sqlalchemy import ARRAY, String
from sqlalchemy.orm import mapped_column

READ: Final = "jobs:read"
WRITE: Final = "jobs:write"
# The scope of operators: everybody's jobs, and the state of the installation.
ADMIN: Final = "admin"
EVERY: Final = frozenset({READ, WRITE, ADMIN})
# Of a user who asks for no others.
USUAL: Final = (READ, WRITE)

Scope = Literal["jobs:read", "jobs:write", "admin"]
Scopes = Annotated[
    list[str], mapped_column(ARRAY(String(16)), server_default=f"{{{','.join(USUAL)}}}")
]


def granted(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes and what they imply: operators may do everything."""
    found = frozenset(scopes)
    return EVERY if ADMIN in found else found


def missing(scopes: Iterable[str], held: frozenset[str]) -> str | None:
    """The first scope that is not held; None if all are. `held` has what it implies."""
    return next((scope for scope in sorted(granted(scopes)) if scope not in held), None)
