"""What a credential allows, as found in the database."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom a key or a browser's session belongs to, and what it may do.

    Attributes:
        credential: the id of the key or the session; of the user, for a JWT.
        scopes: with those that they imply.
        lasts_s: seconds until it expires, on the database's clock; None if it never does.
        unnoted: whether this use is to be noted, since none was within the last minute.
        origin: the key or session that a stream token was created with, and dies with.
        found_at: when that was found, on `time.monotonic()`.
    """

    user_id: str
    credential: str
    scopes: frozenset[str]
    lasts_s: float | None = None
    unnoted: bool = False
    origin: str | None = None
    found_at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def left_s(self) -> float | None:
        """Seconds until it expires from now on; None if it never does."""
        if self.lasts_s is None:
            return None
        return max(0.0, self.lasts_s - (time.monotonic() - self.found_at))
