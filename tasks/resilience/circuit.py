"""The interface of a circuit, and its state as seen by one call."""

import time
from dataclasses import dataclass
from typing import Final, Literal, Protocol

State = Literal["closed", "open", "half-open"]

# During a probe, other calls are to retry after this many seconds.
PROBE_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A circuit's state at one moment; `until`, on `time.monotonic()`, is when to try again."""

    state: State
    until: float = 0.0

    @property
    def wait_s(self) -> float:
        """Seconds until then; 0 if it has passed."""
        return max(0.0, self.until - time.monotonic())


CLOSED: Final = Snapshot("closed")


class Circuit(Protocol):
    """A circuit of this process (`local.py`) or of the whole fleet (`fleet.py`).

    `user_id` is the user who makes a call; it is empty if there is none. If one user makes all
    failing calls, the circuit is open for that user and closed for all others.
    """

    def snapshot(self, user_id: str = "") -> Snapshot:
        """Return the circuit's state for this user."""

    def succeeded(self) -> None:
        """Record that an ordinary call succeeded."""

    def failed(self, user_id: str = "") -> bool:
        """Record that an ordinary call failed. Return whether the circuit is now open for this
        user."""

    def begin_probe(self, token: str, user_id: str = "") -> bool:
        """Return whether this call, and no other, may probe an open circuit."""

    def end_probe(self, token: str, *, good: bool | None, user_id: str = "") -> None:
        """Close the circuit (True), reopen it (False), or let another call probe at once (None).

        A circuit that is open for all is reopened for all only by failed probes of two users in a
        row. Nothing happens if the probe's lease lapsed and another call has taken it over.
        """

    def reset(self) -> None:
        """Close the circuit and discard its failures."""
