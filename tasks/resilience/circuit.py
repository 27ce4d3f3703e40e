"""What a circuit is: its state as one call sees it, and what can happen to it."""

import time
from dataclasses import dataclass
from typing import Final, Literal, Protocol

State = Literal["closed", "open", "half-open"]

# During a probe the others are told to come back after this many seconds.
PROBE_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A circuit as it was seen; `until` (on `time.monotonic()`) is when it is worth a next try."""

    state: State
    until: float = 0.0

    @property
    def wait_s(self) -> float:
        """Seconds until then; 0 where it has passed."""
        return max(0.0, self.until - time.monotonic())


CLOSED: Final = Snapshot("closed")


class Circuit(Protocol):
    """One circuit, in this process (`local.py`) or in the whole fleet (`fleet.py`).

    `user_id` is whose call it is, empty where it is nobody's. What one user's calls alone have
    shown counts for him alone: the circuit is open for him, and closed for all others.
    """

    def look(self, user_id: str = "") -> Snapshot:
        """Its state now, for this user."""

    def succeeded(self) -> None:
        """An ordinary call went well."""

    def failed(self, user_id: str = "") -> bool:
        """An ordinary call failed; whether the circuit is open for this user now."""

    def begin_probe(self, token: str, user_id: str = "") -> bool:
        """Whether this caller, and nobody else, may try an open circuit."""

    def end_probe(self, token: str, *, good: bool | None, user_id: str = "") -> None:
        """Close it (True), open it anew (False), or let another one try at once (None).

        Where it is open for all, it is opened anew by the probes of two users, one after the other.
        Nothing happens where the probe was given up for dead and is another one's by now.
        """

    def reset(self) -> None:
        """Close it and forget its failures."""
