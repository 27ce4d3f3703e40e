"""Misconfigured providers, reported to the operator through one hash in Redis.

A call that fails for this reason adds an entry, and one that succeeds removes it. An entry expires
if no more calls are made.
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
# Longer than the longest wait before a job tries again (`retry_decision.py`).
REMEMBERED_S: Final = 900
# It must not delay calls: after a failure of Redis it pauses.
PAUSE_S: Final = 10.0
UNKNOWN: Final = "the provider's settings"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Misconfigured:
    """A provider, or a model that it does not know; the variable to check, and what happened."""

    name: str
    variable: str
    message: str


class Reporter:
    """Reports to the fleet what this process's calls have found, each change once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._well: set[str] = set()
        self._wrong: set[str] = set()
        self._again_at = 0.0

    def failed(self, model: str, error: ProviderMisconfigured) -> None:
        """Report that a call to this model failed with this error."""
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

    def succeeded(self, model: str) -> None:
        """Report that a call to this model succeeded; only the first success has an effect."""
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


_reporter: Final = Reporter()


@contextmanager
def reporting_misconfigured(model: str) -> Iterator[None]:
    """Report to the fleet whether the call in this block finds the model misconfigured."""
    try:
        yield
    except ProviderMisconfigured as error:
        _reporter.failed(model, error)
        raise
    _reporter.succeeded(model)


def misconfigured(client: redis.Redis | None = None) -> list[Misconfigured]:
    """List the misconfigured providers and models by name. Raises redis.RedisError."""
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
            log.error("unreadable entry skipped", key=KEY, name=name, error=repr(error))


def _name(model: str, error: ProviderMisconfigured) -> str:
    """The model's name if only this model is unknown, else the provider's."""
    of_model = (error.variable or "").startswith("MINDS_FILE")
    return model if of_model else model.split("/")[0]
