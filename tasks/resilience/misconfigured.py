"""Providers that do not serve us as they are set up, for the operator: one hash in Redis.

Whoever meets one says so, whoever is served by it takes that back. What nobody meets any more is
forgotten after a while.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import redis
import structlog

from config.outages import outages
from config.redis import redis_client
from models.errors import ProviderMisconfigured

KEY: Final = "trimind:misconfigured"
# Longer than a job waits at most before it asks again (`decision.py`).
REMEMBERED_S: Final = 900
# This stands behind calls: it must not hold one up, and with Redis away it pauses.
PAUSE_S: Final = 10.0
UNKNOWN: Final = "the provider's settings"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Misconfigured:
    """What does not serve us: a provider, or a model that it does not know; which variable the
    operator has to look at, and what happened."""

    name: str
    variable: str
    message: str


class Notes:
    """What this process has told the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._well: set[str] = set()
        self._wrong: set[str] = set()
        self._again_at = 0.0

    def met(self, model: str, error: ProviderMisconfigured) -> None:
        """A call of this model has failed so."""
        name, variable = _name(model, error), error.variable or UNKNOWN
        with self._lock:
            first = name not in self._wrong
            self._wrong.add(name)
            self._well.discard(model)
        if first:
            log.error("provider misconfigured", provider=name, variable=variable, error=str(error))
        entry = {"variable": variable, "message": str(error), "until": time.time() + REMEMBERED_S}

        def write(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            pipeline.hset(KEY, name, json.dumps(entry))
            pipeline.expire(KEY, REMEMBERED_S)
            pipeline.execute()

        self._try(write)

    def served(self, model: str) -> None:
        """A call of this model went well: only the first of many has something to say."""
        if model in self._well:
            return
        names = (model, model.split("/")[0])
        if self._try(lambda client: client.hdel(KEY, *names)):
            with self._lock:
                self._well.add(model)
                self._wrong.difference_update(names)

    def _try(self, work: Callable[[redis.Redis], object]) -> bool:
        if time.monotonic() < self._again_at:
            return False
        try:
            work(redis_client())
        except redis.RedisError as error:
            self._again_at = time.monotonic() + PAUSE_S
            outages.note("redis", error)
            return False
        return True


_notes: Final = Notes()


@contextmanager
def noting(model: str) -> Iterator[None]:
    """Make a call of a model; whether it serves us is told to the fleet."""
    try:
        yield
    except ProviderMisconfigured as error:
        _notes.met(model, error)
        raise
    _notes.served(model)


def misconfigured(client: redis.Redis | None = None) -> list[Misconfigured]:
    """What does not serve the fleet, by name. Raises redis.RedisError."""
    return list(_read(client or redis_client()))


def _read(client: redis.Redis) -> Iterator[Misconfigured]:
    entries: Any = client.hgetall(KEY)
    for name, text in sorted(entries.items()):
        try:
            entry = json.loads(text)
            found = Misconfigured(name, str(entry["variable"]), str(entry["message"]))
            if entry["until"] > time.time():
                yield found
        except (ValueError, TypeError, KeyError) as error:
            log.error("unreadable entry passed over", key=KEY, name=name, error=repr(error))


def _name(model: str, error: ProviderMisconfigured) -> str:
    """An unknown model says nothing about its provider's others."""
    of_model = (error.variable or "").startswith("MINDS_FILE")
    return model if of_model else model.split("/")[0]
