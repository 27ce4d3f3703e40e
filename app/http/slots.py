"""Slots of which one user can take at most half, so that no user locks the others out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from app.http.problems import Problem, Refusal


class Slots:
    """This process's slots for one kind of work.

    Args:
        count: how many there are.
        all_taken: refuses a request while no slot is free.
        share_taken: refuses a request of a user who has half of them, rounded up, or his own most.
    """

    def __init__(self, count: int, *, all_taken: Problem, share_taken: Problem) -> None:
        self._all_taken, self._share_taken = all_taken, share_taken
        self._free = count
        self._share = (count + 1) // 2
        self._lock = Lock()
        self._taken: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def share(self, most: int = 0) -> int:
        """How many slots a user can take who may take `most`; 0: half of them."""
        return min(most or self._share, self._share)

    def taken(self, kind: str) -> int:
        """How many slots are taken for this kind of work."""
        return self._kinds[kind]

    @contextmanager
    def slot(self, user_id: str, most: int = 0, kind: str = "") -> Iterator[None]:
        """Occupy a slot. Raises Refusal if there is none for this user, who may take `most`."""
        self._take(user_id, self.share(most), kind)
        try:
            yield
        finally:
            self._release(user_id, kind)

    def _take(self, user_id: str, share: int, kind: str) -> None:
        with self._lock:
            if self._free <= 0:
                raise Refusal(self._all_taken)
            if self._taken[user_id] >= share:
                raise Refusal(self._share_taken)
            self._free -= 1
            self._taken[user_id] += 1
            self._kinds[kind] += 1

    def _release(self, user_id: str, kind: str) -> None:
        with self._lock:
            self._kinds[kind] -= 1
            self._free += 1
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]
