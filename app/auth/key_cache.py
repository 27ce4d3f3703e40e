"""What the keys allow that were used within the last seconds, so that not every request looks its
key up."""

import threading
import time
from collections.abc import Callable
from typing import Final

from config.once import once
from models.grants import Grant
from tasks.metrics.declared import CACHE_LOOKUPS

FRESH_S: Final = 5.0
MOST: Final = 4096


class KeyCache:
    """Grants by the digest of their key, each for `fresh_s` seconds, but never longer than the key
    is valid; `most` at once. Thread-safe.

    Unknown keys are not kept: a new key works at once, and no caller can fill the cache with
    guesses. `on_keep` is called for each key that is kept.
    """

    def __init__(self, *, fresh_s: float = FRESH_S, most: int = MOST) -> None:
        self.on_keep: Callable[[], object] | None = None
        self.fresh_s, self._most = fresh_s, most
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[Grant, float]] = {}
        self._clearings = 0

    def __len__(self) -> int:
        return len(self._known)

    def find(self, digest: bytes, look_up: Callable[[], Grant | None]) -> Grant | None:
        """What the key allows, looked up if it isn't known; None for a key that nobody has."""
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known[1]:
            CACHE_LOOKUPS.add("keys", "hit")
            return known[0]
        CACHE_LOOKUPS.add("keys", "miss")
        clearings, began = self._clearings, time.monotonic()
        grant = look_up()
        if grant is not None:
            valid_s = self.fresh_s if grant.lasts_s is None else min(self.fresh_s, grant.lasts_s)
            self._keep(digest, (grant, began + valid_s), clearings)
        return grant

    def clear(self, user_id: str | None = None) -> None:
        """Look a user's keys up again; without one, everybody's."""
        with self._lock:
            self._clearings += 1
            if user_id is None:
                self._known.clear()
                return
            for digest in [
                one for one, (grant, _) in self._known.items() if grant.user_id == user_id
            ]:
                del self._known[digest]

    def _keep(self, digest: bytes, known: tuple[Grant, float], clearings: int) -> None:
        with self._lock:
            if clearings != self._clearings:  # it may have been revoked during its look-up
                return
            self._known.pop(digest, None)
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]  # the oldest
            self._known[digest] = known
        if self.on_keep is not None:
            self.on_keep()


@once
def known_keys() -> KeyCache:
    """The cache of this process."""
    return KeyCache()
