"""What a credential allows, as found in the database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom a key or a browser's session belongs to, and what it may do.

    Attributes:
        credential: the id of the key or the session.
        scopes: with those that they imply.
        lasts_s: seconds until it expires, on the database's clock; None if it never does.
        unnoted: whether this use is to be noted, since none was within the last minute.
    """

    user_id: str
    credential: str
    scopes: frozenset[str]
    lasts_s: float | None = None
    unnoted: bool = False
