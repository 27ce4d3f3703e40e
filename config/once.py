"""A process's singletons: its connection pools, its hub, its slots."""

from collections.abc import Callable
from functools import update_wrapper
from threading import Lock
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class once(Generic[P, T]):  # noqa: N801 (a decorator)
    """A decorator: the function is called once per process for the same positional arguments.

    `lru_cache` would call it again for threads that arrive meanwhile: two pools instead of one.
    No process forks after that: the web processes and Celery's children are spawned.
    """

    def __init__(self, make: Callable[P, T]) -> None:
        update_wrapper(self, make)
        self._make, self._lock = make, Lock()
        self._made: dict[object, T] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return this process's result, created at the first call."""
        if args not in self._made:
            with self._lock:
                if args not in self._made:
                    self._made[args] = self._make(*args, **kwargs)
        return self._made[args]

    def cache_clear(self) -> list[T]:
        """Forget the results, and return them; for tests that change the settings."""
        made = [*self._made.values()]
        self._made.clear()
        return made
